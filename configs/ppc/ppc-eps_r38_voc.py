# PPC (CVPR 2022) with EPS. Published on VOC train: seed 70.5 mIoU; val/test 72.3/73.5 with
# DeepLabV1, 72.6/73.6 with V2. Settings of the released branch esp, 20,000 steps; FSAE's baseline
# trains 40,000.
#
# Needs saliency maps (any detector's; the published ones are PFAN's):
# <data_root>/saliency/<id>.png, grey, 255 salient.
_base_ = [
    '../_base_/models/seam_r38.py',
    '../_base_/datasets/voc12_wsss.py',
    '../_base_/schedules/poly_8e.py',
    '../_base_/refiners/crf.py',
    '../_base_/default_runtime.py',
]

second = dict(size=128)  # the reduced view, shared by all modules
seam = dict(type='SelfSupervisedEquivariantAttention', **second)
eps = dict(type='ExplicitPseudoPixelSupervision', tau=0.4, alpha=0.5, revised=True, **second)
ppc = dict(type='PixelToPrototypeContrast', bg_score=0.1, top_fraction=1 / 16, **second)
model = dict(
    # The background score is trained, so inference takes probabilities. That branch does not bring
    # its maps to the size of the image.
    head=dict(drop=0., infer='softmax', full_size=False),
    modules=[seam, eps, ppc],
    cls_views=('image', 's128'),
    cls_weight=0.5,
    test_cfg=dict(scales=(0.5, 1.0, 1.5, 2.0), flip=True))

train_pipeline = [
    dict(type='LoadImage'),
    dict(type='LoadMask', key='saliency'),
    dict(type='ResizeLong', long=(448, 768)),
    dict(type='RandomFlip', prob=0.5),
    dict(type='RandomPadCrop', size=448),
    dict(type='ColorJitter', brightness=0.3, contrast=0.3, saturation=0.3, hue=0.1),
    dict(type='PackWSSSInputs'),
]
train_dataloader = dict(
    batch_size=8, dataset=dict(saliency_dir='saliency', pipeline=train_pipeline))

max_iters = 20000
train_cfg = dict(
    _delete_=True, type='WSSSTrainLoop', max_iters=max_iters, val_begin=max_iters,
    val_interval=max_iters)
param_scheduler = [dict(type='MaxStepPolyLR', power=0.9, end=max_iters, by_epoch=False)]
default_hooks = dict(
    checkpoint=dict(by_epoch=False, interval=5000), logger=dict(log_metric_by_epoch=False))
log_processor = dict(by_epoch=False)
