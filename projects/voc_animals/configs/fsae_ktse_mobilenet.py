# FSAE on ktse_mobilenet.py, same images and epochs; it acts from epoch 3 on.
_base_ = './ktse_mobilenet.py'

fsae = dict(type='FeatureSpatialActivationExpansion', background='head', begin=3)
model = dict(modules=[_base_.sie, _base_.ssr, _base_.mga, fsae])
*weak, pack = _base_.train_pipeline
strong = dict(type='StrongView', num_ops=3)
train_dataloader = dict(dataset=dict(pipeline=[*weak, strong, pack]))

pipeline = dict(baseline='projects/voc_animals/configs/ktse_mobilenet.py')
