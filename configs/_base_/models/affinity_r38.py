# AffinityNet on ResNet38d.
model = dict(
    type='AffinityNet',
    data_preprocessor=dict(
        type='WSSSDataPreprocessor',
        mean=[123.675, 116.28, 103.53],
        std=[58.395, 57.12, 57.375],
        bgr_to_rgb=True),
    backbone=dict(
        type='ResNet38d',
        out_indices=(4, 5, 6),
        drop_rates=(0.3, 0.5),
        init_cfg=dict(type='Pretrained', checkpoint='pretrain/resnet38d_imagenet.pth')),
    in_channels=(512, 1024, 4096),
    channels=(64, 128, 256),
    radius=5)
