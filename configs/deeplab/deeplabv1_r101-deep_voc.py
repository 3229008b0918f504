# DeepLabV1 on ResNet-101 with the stem of three 3x3 convolutions that the wseg code base has (PPC,
# FSAE).
_base_ = './deeplabv1_r101_voc.py'

model = dict(
    backbone=dict(
        deep_stem=True,
        init_cfg=dict(type='Pretrained', checkpoint='pretrain/resnet101_v1c.pth')))
