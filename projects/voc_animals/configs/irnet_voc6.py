# IRNet (boundaries only) on a frozen EfficientNet-Lite0, images of gap_voc6.py. prior_dir: labels
# of generate_masks.py --refine ir_label; the pipeline of a config with affinity=dict(config=THIS,
# labels=dict(type='IRLabel')) makes them by itself.
_base_ = './gap_voc6.py'

model = dict(
    _delete_=True,
    type='IRNet',
    data_preprocessor=_base_.model.data_preprocessor,
    backbone=dict(
        type='TimmBackbone',
        model='tf_efficientnet_lite0',
        output_stride=16,
        out_indices=(1, 2, 3, 4),
        init_cfg=dict(type='Pretrained', checkpoint=_base_.weights)),
    in_channels=(24, 40, 112, 320),
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
train_dataloader = dict(dataset=dict(prior_dir='ir_label', pipeline=boundary_pipeline))

optim_wrapper = dict(
    _delete_=True,
    type='OptimWrapper',
    optimizer=dict(type='SGD', lr=0.1, momentum=0.9, weight_decay=1e-4))
train_cfg = dict(max_epochs=3)
val_cfg = val_dataloader = val_evaluator = None
test_cfg = test_dataloader = test_evaluator = None
pipeline = dict(_delete_=True)
