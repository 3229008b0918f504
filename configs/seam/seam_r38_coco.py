# SEAM on COCO 2014 (80 classes); the paper has no such row. Settings of VOC.
_base_ = [
    '../_base_/models/seam_r38.py',
    '../_base_/datasets/coco14_wsss.py',
    '../_base_/augmentations/seam.py',
    '../_base_/schedules/poly_8e.py',
    '../_base_/default_runtime.py',
]

model = dict(
    head=dict(num_classes=80),
    modules=[dict(type='SelfSupervisedEquivariantAttention', scale=0.3)],
    cls_views=('image', 'x0.3'),
    cls_weight=0.5,
    test_cfg=dict(scales=(0.5, 1.0, 1.5, 2.0), flip=True, norm='minmax'))

train_dataloader = dict(batch_size=8, dataset=dict(pipeline=_base_.augmentation))
