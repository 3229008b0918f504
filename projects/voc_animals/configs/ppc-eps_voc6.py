# PPC with EPS on SEAM's network.
_base_ = './seam_voc6.py'

second = dict(scale=0.5, **_base_.rise)  # the reduced view, shared by all modules
eps = dict(type='ExplicitPseudoPixelSupervision', revised=True, **second)
ppc = dict(type='PixelToPrototypeContrast', in_channels=1280, bg_score=0.1, **second)
model = dict(
    head=dict(infer='softmax', full_size=False), modules=[_base_.seam, eps, ppc])

load, *rest = _base_.train_pipeline
train_pipeline = [load, dict(type='LoadMask', key='saliency'), *rest]
train_dataloader = dict(dataset=dict(saliency_dir='saliency', pipeline=train_pipeline))
find_unused_parameters = True  # the projection rests where the rise begins
