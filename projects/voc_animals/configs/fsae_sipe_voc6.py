# FSAE on sipe_voc6.py.
_base_ = './sipe_voc6.py'

fsae = dict(
    type='FeatureSpatialActivationExpansion', background='one_minus_max', **_base_.rise)
model = dict(modules=[_base_.sipe, fsae])
*weak, pack = _base_.train_pipeline
strong = dict(type='StrongView', num_ops=3)
train_dataloader = dict(dataset=dict(pipeline=[*weak, strong, pack]))
pipeline = dict(baseline='projects/voc_animals/configs/sipe_voc6.py')
