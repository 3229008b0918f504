# DeepLabV2 on ResNet-50, VOC 2012 (IRN, CSD on IRN).
_base_ = './deeplabv2_r101_voc.py'

model = dict(
    backbone=dict(
        depth=50, init_cfg=dict(type='Pretrained', checkpoint='pretrain/resnet50.pth')))
