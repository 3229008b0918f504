# IRN on COCO 2014 (80 classes); not in the paper, the settings are those of VOC.
_base_ = [
    '../_base_/models/irn_r50.py',
    '../_base_/datasets/coco14_wsss.py',
    '../_base_/augmentations/irn.py',
    '../_base_/schedules/poly_5e.py',
    '../_base_/refiners/irn.py',
    '../_base_/default_runtime.py',
]

model = dict(
    head=dict(num_classes=80), test_cfg=dict(scales=(1.0, 0.5, 1.5, 2.0), flip=True))

# Batch norms decay as well, as in the released code.
optim_wrapper = dict(paramwise_cfg=dict(decay_all=True))
train_dataloader = dict(batch_size=16, dataset=dict(pipeline=_base_.augmentation))
pipeline = dict(affinity=dict(config='configs/irn/irnet_r50_coco.py'))
