# PPC with EPS on COCO 2014 (80 classes), after the scripts in FSAE's prototype: 256,500 steps of
# batch 16, crops of 321, alpha .9. Needs saliency maps, see ppc-eps_r38_voc.py.
_base_ = [
    '../_base_/models/seam_r38.py',
    '../_base_/datasets/coco14_wsss.py',
    '../_base_/schedules/poly_8e.py',
    '../_base_/refiners/crf.py',
    '../_base_/default_runtime.py',
]

second = dict(size=128)
seam = dict(type='SelfSupervisedEquivariantAttention', **second)
eps = dict(type='ExplicitPseudoPixelSupervision', tau=0.4, alpha=0.9, revised=True, **second)
ppc = dict(type='PixelToPrototypeContrast', bg_score=0.1, top_fraction=1 / 16, **second)
model = dict(
    head=dict(num_classes=80, drop=0., infer='softmax', full_size=False),
    modules=[seam, eps, ppc],
    cls_views=('image', 's128'),
    cls_weight=0.5,
    test_cfg=dict(scales=(0.5, 1.0, 1.5, 2.0), flip=True))

train_pipeline = [
    dict(type='LoadImage'),
    dict(type='LoadMask', key='saliency'),
    dict(type='ResizeLong', long=(256, 448)),
    dict(type='RandomFlip', prob=0.5),
    dict(type='RandomPadCrop', size=321),
    dict(type='ColorJitter', brightness=0.3, contrast=0.3, saturation=0.3, hue=0.1),
    dict(type='PackWSSSInputs'),
]
train_dataloader = dict(
    batch_size=16, dataset=dict(saliency_dir='saliency', pipeline=train_pipeline))

max_iters = 256500
train_cfg = dict(
    _delete_=True, type='WSSSTrainLoop', max_iters=max_iters, val_begin=max_iters,
    val_interval=max_iters)
param_scheduler = [dict(type='MaxStepPolyLR', power=0.9, end=max_iters, by_epoch=False)]
default_hooks = dict(
    checkpoint=dict(by_epoch=False, interval=5000), logger=dict(log_metric_by_epoch=False))
log_processor = dict(by_epoch=False)
