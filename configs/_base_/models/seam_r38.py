# ResNet38d with SEAM's head: 21 score maps and the pixel correlation module.
model = dict(
    type='WSSSClassifier',
    backbone=dict(
        type='ResNet38d',
        out_indices=(4, 5, 6),
        drop_rates=(0.3, 0.5),
        init_cfg=dict(type='Pretrained', checkpoint='pretrain/resnet38d_imagenet.pth')),
    head=dict(type='SEAMHead', num_classes=20, in_channels=(512, 1024, 4096)),
    modules=[])
