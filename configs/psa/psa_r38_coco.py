# PSA on COCO 2014 (80 classes); not in the paper, the settings are those of VOC.
_base_ = [
    '../_base_/models/gap_r38.py',
    '../_base_/datasets/coco14_wsss.py',
    '../_base_/augmentations/psa.py',
    '../_base_/schedules/poly_15e.py',
    '../_base_/refiners/psa.py',
    '../_base_/default_runtime.py',
]

model = dict(
    head=dict(num_classes=80), test_cfg=dict(scales=(1.0, 0.5, 1.5, 2.0), flip=True))
train_dataloader = dict(batch_size=16, dataset=dict(pipeline=_base_.augmentation))
pipeline = dict(affinity=dict(config='configs/psa/affinity_r38_coco.py'))
