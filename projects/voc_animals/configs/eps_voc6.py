# EPS: saliency maps supervise the class scores and the background score.
_base_ = './gap_voc6.py'

load, *rest = _base_.train_pipeline
train_pipeline = [load, dict(type='LoadMask', key='saliency'), *rest]
train_dataloader = dict(dataset=dict(saliency_dir='saliency', pipeline=train_pipeline))
eps = dict(type='ExplicitPseudoPixelSupervision', **_base_.rise)
model = dict(modules=[eps])
pipeline = dict(baseline='projects/voc_animals/configs/gap_voc6.py')
