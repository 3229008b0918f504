# PPC with EPS on Shapes. The saliency maps are ground truth made worse: see
# tools/dataset_converters/shapes_saliency.py, to be run first.
_base_ = './seam_shapes.py'

second = dict(size=40)
small_seam = dict(type='SelfSupervisedEquivariantAttention', **second)
eps = dict(type='ExplicitPseudoPixelSupervision', revised=True, **second)
ppc = dict(
    type='PixelToPrototypeContrast', in_channels=64, proj_channels=32, top_fraction=1 / 4,
    **second)
model = dict(
    head=dict(infer='softmax', full_size=False),
    modules=[small_seam, eps, ppc],
    cls_views=('image', 's40'))
load, *rest = _base_.train_pipeline
train_pipeline = [load, dict(type='LoadMask', key='saliency'), *rest]
train_dataloader = dict(dataset=dict(saliency_dir='saliency', pipeline=train_pipeline))
