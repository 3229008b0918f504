# MCTformer V2: DeiT-S/16 with one class token per class.
model = dict(
    type='WSSSClassifier',
    backbone=dict(
        type='MCTDeiT',
        num_classes=20,
        img_size=224,
        drop_path_rate=0.1,
        init_cfg=dict(
            type='Pretrained', checkpoint='pretrain/deit_small_patch16_224-cd65a155.pth')),
    head=dict(type='MCTHead', num_classes=20, in_channels=384),
    modules=[])
