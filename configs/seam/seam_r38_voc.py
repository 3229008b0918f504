# SEAM (CVPR 2020) on ResNet38. Published on VOC train: seed 55.4, mask (PSA) 63.6 mIoU; val/test
# 64.5/65.7 with DeepLab-ResNet38.
_base_ = [
    '../_base_/models/seam_r38.py',
    '../_base_/datasets/voc12_wsss.py',
    '../_base_/schedules/poly_8e.py',
    '../_base_/refiners/psa.py',
    '../_base_/default_runtime.py',
]

seam = dict(type='SelfSupervisedEquivariantAttention', scale=0.3)
model = dict(
    modules=[seam],
    # The mean of the classification losses of both views.
    cls_views=('image', 'x0.3'),
    cls_weight=0.5,
    test_cfg=dict(scales=(0.5, 1.0, 1.5, 2.0), flip=True, norm='minmax'))

train_pipeline = [
    dict(type='LoadImage'),
    dict(type='ResizeLong', long=(448, 768)),
    dict(type='RandomFlip', prob=0.5),
    dict(type='RandomPadCrop', size=448),
    dict(type='ColorJitter', brightness=0.3, contrast=0.3, saturation=0.3, hue=0.1),
    dict(type='PackWSSSInputs'),
]
train_dataloader = dict(batch_size=8, dataset=dict(pipeline=train_pipeline))
pipeline = dict(affinity=dict(labels=dict(high=24)), mask=dict(alpha=6, log_steps=6))
