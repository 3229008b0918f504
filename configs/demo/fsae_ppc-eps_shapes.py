# FSAE on ppc-eps_shapes.py. It begins when the classifier knows something.
_base_ = './ppc-eps_shapes.py'

fsae = dict(
    type='FeatureSpatialActivationExpansion', background='head',
    begin=_base_.begin, ramp=_base_.ramp)
model = dict(modules=[_base_.small_seam, _base_.eps, _base_.ppc, fsae])
*weak, pack = _base_.train_pipeline
strong = dict(type='StrongView', num_ops=3)
train_dataloader = dict(dataset=dict(pipeline=[*weak, strong, pack]))
pipeline = dict(baseline='configs/demo/ppc-eps_shapes.py')
