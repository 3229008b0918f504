# The plain CAM baseline on Shapes: a narrow ResNet-18 at output stride 8 from scratch, global
# average pooling. About a minute on two CPU cores.
_base_ = ['../_base_/datasets/shapes_wsss.py', '../_base_/default_runtime.py']

# First epoch of the modules that other configs add to this one, and epochs over which their weights
# rise. From scratch, the classes must be learned before: from epoch 8 or 10 on, KTSE's end with a
# worse classifier (mAP .86 to .90 instead of .99) and seeds below the baseline's.
begin, ramp = 15, 4

model = dict(
    type='WSSSClassifier',
    data_preprocessor=dict(type='WSSSDataPreprocessor', channels_last=True),
    backbone=dict(
        type='mmseg.ResNet',
        depth=18,
        num_stages=3,
        stem_channels=16,
        base_channels=16,
        strides=(1, 2, 1),
        dilations=(1, 1, 2),
        out_indices=(2, ),
        norm_cfg=dict(type='BN', requires_grad=True),
        norm_eval=False),
    head=dict(type='GAPHead', num_classes=6, in_channels=64),
    modules=[])
optim_wrapper = dict(
    type='OptimWrapper', optimizer=dict(type='AdamW', lr=2e-3, weight_decay=1e-2))
param_scheduler = [
    dict(type='LinearLR', start_factor=0.1, begin=0, end=25, by_epoch=False),
    dict(type='PolyLR', power=0.9, eta_min=1e-5, begin=1, by_epoch=True,
         convert_to_iter_based=True),
]
train_cfg = dict(type='WSSSTrainLoop', max_epochs=22, val_begin=None)  # the CAM stage scores
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')
