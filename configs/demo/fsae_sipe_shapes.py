# FSAE on sipe_shapes.py, with SIPE's own background. It begins when the classifier knows something.
_base_ = './sipe_shapes.py'

fsae = dict(
    type='FeatureSpatialActivationExpansion', background='one_minus_max',
    begin=_base_.begin, ramp=_base_.ramp)
model = dict(modules=[_base_.sipe, fsae])
*weak, pack = _base_.train_pipeline
strong = dict(type='StrongView', num_ops=3)
train_dataloader = dict(dataset=dict(pipeline=[*weak, strong, pack]))
pipeline = dict(baseline='configs/demo/sipe_shapes.py')
