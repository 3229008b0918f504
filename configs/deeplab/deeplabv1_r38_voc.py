# DeepLabV1 on ResNet38, VOC 2012, after the wseg code base (SEAM, RCM + MAM). The backbone's batch
# norms keep their ImageNet statistics.
_base_ = './deeplabv1_r101_voc.py'

model = dict(
    backbone=dict(
        _delete_=True,
        type='ResNet38d',
        frozen_stages=1,
        init_cfg=dict(type='Pretrained', checkpoint='pretrain/resnet38d_imagenet.pth')),
    decode_head=dict(in_channels=4096))
