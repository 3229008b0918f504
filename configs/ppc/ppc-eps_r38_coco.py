# PPC with EPS on COCO 2014 (80 classes), after the scripts in FSAE's prototype: 256,500 steps of
# batch 16, crops of 321, alpha .9.
_base_ = [
    '../_base_/models/ppc-eps_r38.py',
    '../_base_/datasets/coco14_wsss.py',
    '../_base_/augmentations/seam.py',
    '../_base_/schedules/poly_iters.py',
    '../_base_/refiners/crf.py',
]

eps = dict(_base_.eps, alpha=0.9)
model = dict(head=dict(num_classes=80), modules=[_base_.seam, eps, _base_.ppc])

load, _, flip, _, jitter, pack = _base_.augmentation
augmentation = [
    load,
    dict(type='LoadMask', key='saliency'),
    dict(type='ResizeLong', long=(256, 448)),
    flip,
    dict(type='RandomPadCrop', size=321),
    jitter,
    pack,
]
train_dataloader = dict(
    batch_size=16, dataset=dict(saliency_dir='saliency', pipeline=augmentation))
train_cfg = dict(max_iters=256500)
