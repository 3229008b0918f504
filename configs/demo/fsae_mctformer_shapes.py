# FSAE on mctformer_shapes.py. It begins when the classifier knows something; the background is near
# the best threshold of that base's seeds, whose maps are peaked. The weak view is labelled without
# stochastic depth.
_base_ = './mctformer_shapes.py'

fsae = dict(
    type='FeatureSpatialActivationExpansion', background='constant', constant=0.1, temperature=0.03,
    teacher='frozen', begin=_base_.begin, ramp=_base_.ramp)
model = dict(head=dict(detach_patch=False), modules=[fsae])
*weak, pack = _base_.train_pipeline
strong = dict(type='StrongView', num_ops=3)
train_dataloader = dict(dataset=dict(pipeline=[*weak, strong, pack]))
pipeline = dict(baseline='configs/demo/mctformer_shapes.py')
