# FSAE on mctformer_shapes.py. It begins when the classifier knows something.
_base_ = './mctformer_shapes.py'

fsae = dict(
    type='FeatureSpatialActivationExpansion', background='constant', temperature=0.05, begin=16,
    ramp=4)
model = dict(head=dict(detach_patch=False), modules=[fsae])
*weak, pack = _base_.train_pipeline
strong = dict(type='StrongView', num_ops=3)
train_dataloader = dict(dataset=dict(pipeline=[*weak, strong, pack]))
pipeline = dict(baseline='configs/demo/mctformer_shapes.py')
