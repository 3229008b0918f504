# FSAE on seam_shapes.py. It begins when the classifier knows something; the background is the best
# threshold of that base's seeds.
_base_ = './seam_shapes.py'

fsae = dict(
    type='FeatureSpatialActivationExpansion', background='constant', constant=0.3,
    begin=_base_.begin, ramp=_base_.ramp)
model = dict(modules=[_base_.seam, fsae])
*weak, pack = _base_.train_pipeline
strong = dict(type='StrongView', num_ops=3)
train_dataloader = dict(dataset=dict(pipeline=[*weak, strong, pack]))
pipeline = dict(baseline='configs/demo/seam_shapes.py')
