# MCTformer V2 on COCO 2014 (80 classes). Published on val after the segmentation model: 42.0.
_base_ = [
    '../_base_/models/mctformer_v2.py',
    '../_base_/datasets/coco14_wsss.py',
    '../_base_/augmentations/deit.py',
    '../_base_/schedules/adamw_60e.py',
    '../_base_/default_runtime.py',
]

model = dict(
    backbone=dict(num_classes=80),
    head=dict(num_classes=80),
    test_cfg=dict(scales=(1.0, ), flip=True, norm='minmax'))

train_dataloader = dict(batch_size=64, dataset=dict(pipeline=_base_.augmentation))
