# FSAE on seam_mobilenet.py, same images and epochs; it acts from epoch 3 on.
_base_ = './seam_mobilenet.py'

fsae = dict(type='FeatureSpatialActivationExpansion', background='one_minus_max', begin=3)
model = dict(modules=[_base_.seam, fsae])
*weak, pack = _base_.train_pipeline
strong = dict(type='StrongView', num_ops=3)
train_dataloader = dict(dataset=dict(pipeline=[*weak, strong, pack]))

pipeline = dict(baseline='projects/voc_animals/configs/seam_mobilenet.py')
