# IRNet (boundaries only) on a frozen MobileNetV1, voc6 protocol. prior_dir: labels of
# generate_masks.py --refine ir_label; the pipeline of a config with affinity=dict(config=THIS,
# labels=dict(type='IRLabel')) makes them by itself.
_base_ = './gpp_mobilenet.py'

model = dict(
    _delete_=True,
    type='IRNet',
    data_preprocessor=_base_.model.data_preprocessor,
    backbone=dict(
        type='MobileNetV1',
        width=0.75,
        output_stride=16,
        out_indices=(2, 4, 10, 12),
        init_cfg=dict(type='Pretrained', checkpoint=_base_.weights)),
    in_channels=(96, 192, 384, 768),
    stem=None,
    radius=10,
    crop_size=256)

boundary_pipeline = [
    dict(type='LoadImage'),
    dict(type='LoadMask', key='prior_mask'),
    dict(type='RandomScale', ratio=(0.5, 1.5)),
    dict(type='RandomFlip', prob=0.5),
    dict(type='RandomPadCrop', size=256),
    dict(type='PackWSSSInputs'),
]
train_dataloader = dict(
    batch_size=16, dataset=dict(prior_dir='ir_label', pipeline=boundary_pipeline))

optim_wrapper = dict(
    _delete_=True,
    type='OptimWrapper',
    optimizer=dict(type='SGD', lr=0.1, momentum=0.9, weight_decay=1e-4))
param_scheduler = [
    dict(type='PolyLR', power=0.9, by_epoch=True, convert_to_iter_based=True)
]
train_cfg = dict(max_epochs=3)
val_cfg = val_dataloader = val_evaluator = None
test_cfg = test_dataloader = test_evaluator = None
