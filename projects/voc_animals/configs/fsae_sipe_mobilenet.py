# FSAE on sipe_mobilenet.py, same images and epochs; it acts from epoch 3 on.
_base_ = './sipe_mobilenet.py'

fsae = dict(type='FeatureSpatialActivationExpansion', background='one_minus_max', begin=3)
model = dict(modules=[_base_.sipe, fsae])
*weak, pack = _base_.train_pipeline
strong = dict(type='StrongView', num_ops=3)
train_dataloader = dict(dataset=dict(pipeline=[*weak, strong, pack]))

pipeline = dict(baseline='projects/voc_animals/configs/sipe_mobilenet.py')
