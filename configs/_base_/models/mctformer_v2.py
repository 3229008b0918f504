# MCTformer V2: DeiT-S/16 with one class token per class.
model = dict(
    type='WSSSClassifier',
    data_preprocessor=dict(
        type='WSSSDataPreprocessor',
        mean=[123.675, 116.28, 103.53],
        std=[58.395, 57.12, 57.375],
        bgr_to_rgb=True),
    backbone=dict(
        type='MCTDeiT',
        num_classes=20,
        img_size=224,
        drop_path_rate=0.1,
        init_cfg=dict(
            type='Pretrained', checkpoint='pretrain/deit_small_patch16_224-cd65a155.pth')),
    head=dict(type='MCTHead', num_classes=20, in_channels=384),
    modules=[])
