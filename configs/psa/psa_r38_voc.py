# PSA (CVPR 2018) on ResNet38. Published on VOC train: seed 47.7, mask (random walk) 61.0 mIoU.
_base_ = [
    '../_base_/models/gap_r38.py',
    '../_base_/datasets/voc12_wsss.py',
    '../_base_/augmentations/psa.py',
    '../_base_/schedules/poly_15e.py',
    '../_base_/refiners/psa.py',
    '../_base_/default_runtime.py',
]

model = dict(test_cfg=dict(scales=(1.0, 0.5, 1.5, 2.0), flip=True))

train_dataloader = dict(batch_size=16, dataset=dict(pipeline=_base_.augmentation))
