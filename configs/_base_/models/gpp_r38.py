# ResNet38d with a 256-channel embedding and gated pyramid pooling, as in AEFT and KTSE.
model = dict(
    type='WSSSClassifier',
    backbone=dict(
        type='ResNet38d',
        drop_rates=(0.2, 0.2),
        init_cfg=dict(type='Pretrained', checkpoint='pretrain/resnet38d_imagenet.pth')),
    head=dict(type='GPPHead', num_classes=20, in_channels=4096),
    modules=[],
    # The seeds of AEFT and of KTSE's tables 6 and 7.
    test_cfg=dict(scales=(0.5, 1., 1.5, 2.), flip=True))
