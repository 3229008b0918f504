# SEAM (CVPR 2020) on ResNet38. Published on VOC train: seed 55.4, mask (PSA) 63.6 mIoU; val/test
# 64.5/65.7 with DeepLab-ResNet38.
_base_ = [
    '../_base_/models/seam_r38.py',
    '../_base_/datasets/voc12_wsss.py',
    '../_base_/augmentations/seam.py',
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

train_dataloader = dict(batch_size=8, dataset=dict(pipeline=_base_.augmentation))
pipeline = dict(affinity=dict(labels=dict(high=24)), mask=dict(alpha=6, log_steps=6))
