# FSAE on cam_shapes.py. It begins when the classifier knows something; the background is the best
# threshold of that base's seeds.
_base_ = './cam_shapes.py'

fsae = dict(
    type='FeatureSpatialActivationExpansion', background='constant', constant=0.3,
    begin=_base_.begin, ramp=_base_.ramp)
model = dict(modules=[fsae])
*weak, pack = _base_.train_pipeline
strong = dict(type='StrongView', num_ops=3)
train_dataloader = dict(dataset=dict(pipeline=[*weak, strong, pack]))
pipeline = dict(baseline='configs/demo/cam_shapes.py')
