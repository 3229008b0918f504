# FSAE on KTSE, a combination that neither paper has: KTSE's pixel losses train the background
# score.
_base_ = '../ktse/ktse_r38_voc.py'

fsae = dict(type='FeatureSpatialActivationExpansion', begin=_base_.begin)
model = dict(modules=[_base_.sie, _base_.ssr, _base_.mga, fsae])

strong = dict(type='StrongView', num_ops=3)
*geometry, pack = _base_.train_pipeline
train_dataloader = dict(dataset=dict(pipeline=[*geometry, strong, pack]))
pipeline = dict(baseline='configs/ktse/ktse_r38_voc.py')
