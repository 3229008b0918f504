# ResNet38d with a CAM by 1x1 convolution and global average pooling, as in PSA.
model = dict(
    type='WSSSClassifier',
    backbone=dict(
        type='ResNet38d',
        drop_rates=(0.3, 0.5),
        init_cfg=dict(type='Pretrained', checkpoint='pretrain/resnet38d_imagenet.pth')),
    head=dict(type='GAPHead', num_classes=20, in_channels=4096, drop=0.5),
    modules=[])
