# FSAE on gap_voc6.py.
_base_ = './gap_voc6.py'

fsae = dict(
    type='FeatureSpatialActivationExpansion', background='constant', constant=0.4, **_base_.rise)
model = dict(modules=[fsae])
*weak, pack = _base_.train_pipeline
strong = dict(type='StrongView', num_ops=3)
train_dataloader = dict(dataset=dict(pipeline=[*weak, strong, pack]))
pipeline = dict(baseline='projects/voc_animals/configs/gap_voc6.py')
