# FSAE on ktse-code_voc6.py.
_base_ = './ktse-code_voc6.py'

fsae = dict(type='FeatureSpatialActivationExpansion', background='head', **_base_.rise)
model = dict(modules=[_base_.sie, _base_.ssr, _base_.mga, fsae])
*weak, pack = _base_.train_pipeline
strong = dict(type='StrongView', num_ops=3)
train_dataloader = dict(dataset=dict(pipeline=[*weak, strong, pack]))
pipeline = dict(baseline='projects/voc_animals/configs/ktse-code_voc6.py')
