# FSAE on gpp_mobilenet.py, same images and epochs; it acts from epoch 3 on.
_base_ = './gpp_mobilenet.py'

fsae = dict(type='FeatureSpatialActivationExpansion', background='constant', constant=0.4,
            begin=3)
model = dict(modules=[fsae])
*weak, pack = _base_.train_pipeline
strong = dict(type='StrongView', num_ops=3)
train_dataloader = dict(dataset=dict(pipeline=[*weak, strong, pack]))

pipeline = dict(baseline='projects/voc_animals/configs/gpp_mobilenet.py')
