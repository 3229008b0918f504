# FSAE on PPC with EPS, COCO 2014. Published on val: 35.4 with DeepLabV2-R101. The EMA teacher is
# the paper's, and so are 3 operations and the length of the base; for the numbers of the
# prototype's script see fsae-prototype_ppc-eps_r38_coco.py.
_base_ = '../ppc/ppc-eps_r38_coco.py'

fsae = dict(type='FeatureSpatialActivationExpansion', teacher='teacher')
model = dict(teacher=True, modules=[_base_.seam, _base_.eps, _base_.ppc, fsae])

*geometry, jitter, pack = _base_.augmentation
strong = dict(
    type='StrongView',
    jitter=dict(brightness=0.3, contrast=0.3, saturation=0.3, hue=0.1),
    num_ops=3)
train_dataloader = dict(dataset=dict(pipeline=[*geometry, strong, jitter, pack]))
train_cfg = dict(ema=dict(momentum=0.999))
pipeline = dict(
    baseline='configs/ppc/ppc-eps_r38_coco.py',
    segment=dict(config='configs/deeplab/deeplabv2_r101_coco_msc-crf.py'))
