# DeepLabV2 for a CPU: three stages of a ResNet-18 of half width at output stride 8, from scratch.
model = dict(
    type='MSCEncoderDecoder',
    data_preprocessor=dict(
        type='mmseg.SegDataPreProcessor',
        mean=[123.675, 116.28, 103.53],
        std=[58.395, 57.12, 57.375],
        bgr_to_rgb=True,
        size=(128, 128),
        pad_val=0,
        seg_pad_val=255),
    backbone=dict(
        type='mmseg.ResNet',
        depth=18,
        num_stages=3,
        stem_channels=32,
        base_channels=32,
        out_indices=(2,),
        strides=(1, 2, 1),
        dilations=(1, 1, 2),
        norm_cfg=dict(type='BN', requires_grad=True),
        norm_eval=False,
        style='pytorch',
        init_cfg=None),
    decode_head=dict(
        type='DeepLabV2Head', in_channels=128, in_index=0, num_classes=21, dilations=(1, 2, 4, 6)),
    train_cfg=dict(),
    test_cfg=dict(mode='whole'))

optim_wrapper = dict(
    type='OptimWrapper',
    optimizer=dict(type='SGD', lr=0.05, momentum=0.9, weight_decay=5e-4))
