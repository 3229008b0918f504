# DeepLabV3+ on ResNet-101 at output stride 16: mmseg's own head. Rate, decay and steps as in the
# TensorFlow DeepLab that EADER trains.
_base_ = './segmentor.py'

model = dict(
    data_preprocessor=dict(size=(513, 513)),
    backbone=dict(
        type='DeepLabResNet',
        depth=101,
        out_indices=(0, 1, 2, 3),
        strides=(1, 2, 2, 1),
        dilations=(1, 1, 1, 2),
        norm_cfg=dict(type='BN', requires_grad=True),
        norm_eval=False,
        style='pytorch',
        init_cfg=dict(type='Pretrained', checkpoint='pretrain/resnet101.pth')),
    decode_head=dict(
        type='mmseg.DepthwiseSeparableASPPHead',
        in_channels=2048,
        in_index=3,
        channels=512,
        dilations=(1, 6, 12, 18),
        c1_in_channels=256,
        c1_channels=48,
        dropout_ratio=0.1,
        num_classes=21,
        norm_cfg=dict(type='BN', requires_grad=True),
        align_corners=False,
        loss_decode=dict(type='mmseg.CrossEntropyLoss', avg_non_ignore=True)))

optim_wrapper = dict(
    type='OptimWrapper',
    optimizer=dict(type='SGD', lr=7e-3, momentum=0.9, weight_decay=4e-5))
