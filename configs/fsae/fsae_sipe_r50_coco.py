# FSAE on SIPE, COCO 2014. Published on val: 39.5 with DeepLabV2-R101.
_base_ = '../sipe/sipe_r50_coco.py'

sipe = dict(type='ImageSpecificPrototypes')
fsae = dict(type='FeatureSpatialActivationExpansion', background='one_minus_max', temperature=0.1)
model = dict(modules=[sipe, fsae])

strong = dict(type='StrongView', num_ops=3)
*geometry, pack = _base_.augmentation
train_dataloader = dict(dataset=dict(pipeline=[*geometry, strong, pack]))
