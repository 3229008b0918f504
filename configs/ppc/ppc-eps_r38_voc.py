# PPC (CVPR 2022) with EPS. Published on VOC train: seed 70.5 mIoU; val/test 72.3/73.5 with
# DeepLabV1, 72.6/73.6 with V2. Settings of the released branch esp, 20,000 steps; FSAE's baseline
# trains 40,000.
_base_ = [
    '../_base_/models/ppc-eps_r38.py',
    '../_base_/datasets/voc12_wsss.py',
    '../_base_/augmentations/seam.py',
    '../_base_/schedules/poly_iters.py',
    '../_base_/refiners/crf.py',
]

load, *rest = _base_.augmentation
augmentation = [load, dict(type='LoadMask', key='saliency'), *rest]
train_dataloader = dict(
    batch_size=8, dataset=dict(saliency_dir='saliency', pipeline=augmentation))
