# RCM + MAM on ResNet38. Published on VOC train: seed 63.7, mask (PSA) 71.0 mIoU; val/test 69.7/70.9
# with DeepLab-ResNet38. The rows with CRF are rcm-mam-crf_r38_voc.py and those on top of it. There
# is no public code: the weight decay, the rate of the new layers, frozen stages and batch norms are
# those of related work on ResNet38; the factor of the resize is of the image's own size; the
# classification loss is of the image itself, not of MAM's scaled ones. The docstrings of the two
# modules say what else was chosen.
_base_ = [
    '../_base_/models/gap_r38.py',
    '../_base_/datasets/voc12_wsss.py',
    '../_base_/schedules/poly_20e.py',
    '../_base_/refiners/psa.py',
    '../_base_/default_runtime.py',
]

model = dict(
    head=dict(embed_channels=256, drop=0.),
    teacher=True,
    modules=[
        dict(type='RegionalContrast'),
        dict(type='MultiScaleAttention', begin=6),
    ],
    test_cfg=dict(scales=(0.5, 1., 1.5, 2.), flip=True))

train_pipeline = [
    dict(type='LoadImage'),
    dict(type='RandomScale', ratio=(0.5, 1.3)),
    dict(type='RandomFlip', prob=0.5),
    dict(type='ColorJitter', brightness=0.3, contrast=0.3, saturation=0.3, hue=0.1),
    dict(type='RandomPadCrop', size=192),
    dict(type='PackWSSSInputs'),
]
train_dataloader = dict(batch_size=16, dataset=dict(pipeline=train_pipeline))

train_cfg = dict(ema=dict(momentum=0.997))

pipeline = dict(segment=dict(config='configs/deeplab/deeplabv1_r38_voc_msc-crf.py'))
