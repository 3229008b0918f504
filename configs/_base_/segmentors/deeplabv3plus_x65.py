# DeepLabV3+ on Xception-65 at output stride 16, after the TensorFlow DeepLab that EADER trains.
_base_ = './segmentor.py'

model = dict(
    data_preprocessor=dict(
        mean=[127.5, 127.5, 127.5], std=[127.5, 127.5, 127.5], size=(513, 513)),
    backbone=dict(
        type='Xception65',
        output_stride=16,
        init_cfg=dict(type='Pretrained', checkpoint='pretrain/xception65.pth')),
    decode_head=dict(
        type='DeepLabV3PlusHead',
        in_channels=2048,
        in_index=1,
        channels=256,
        dilations=(1, 6, 12, 18),
        c1_in_channels=256,
        c1_channels=48,
        num_classes=21,
        norm_cfg=dict(type='BN'),
        align_corners=True))

optim_wrapper = dict(
    type='OptimWrapper',
    optimizer=dict(type='SGD', lr=7e-3, momentum=0.9, weight_decay=4e-5))
