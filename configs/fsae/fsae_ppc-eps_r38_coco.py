# FSAE on PPC with EPS, COCO 2014. Published on val: 35.4 with DeepLabV2-R101. The EMA teacher is
# the paper's; steps (513,000 x 2) and 5 operations are those of the prototype's script.
_base_ = '../ppc/ppc-eps_r38_coco.py'

fsae = dict(type='FeatureSpatialActivationExpansion', teacher='teacher')
model = dict(teacher=True, modules=[_base_.seam, _base_.eps, _base_.ppc, fsae])

*geometry, jitter, pack = _base_.augmentation
strong = dict(
    type='StrongView',
    jitter=dict(brightness=0.3, contrast=0.3, saturation=0.3, hue=0.1),
    num_ops=5)
train_dataloader = dict(dataset=dict(pipeline=[*geometry, strong, jitter, pack]))

train_cfg = dict(max_iters=1026000, ema=dict(momentum=0.999))
