# IRN's boundary network on VOC: 3 epochs of batch 32. It learns from the masks that
#   python tools/generate_masks.py CLASSIFIER --cams DIR --out IR_LABEL_DIR --refine ir_label
# makes (give prior_dir), and refines with --refine irn. The pipeline does all of this by itself.
_base_ = [
    '../_base_/models/irnet_r50.py',
    '../_base_/datasets/voc12_wsss.py',
    '../_base_/default_runtime.py',
]

train_pipeline = [
    dict(type='LoadImage'),
    dict(type='LoadMask', key='prior_mask'),
    dict(type='RandomScale', ratio=(0.5, 1.5)),
    dict(type='RandomFlip', prob=0.5),
    dict(type='RandomPadCrop', size=512),
    dict(type='PackWSSSInputs'),
]
train_dataloader = dict(
    batch_size=32, dataset=dict(prior_dir='ir_label', pipeline=train_pipeline))

# All parameters alike (only displacements 10 times the rate), as in the original; and the momentum
# really is 1e-4: its optimizer class takes the weight decay for it.
max_epochs = 3
train_cfg = dict(type='WSSSTrainLoop', max_epochs=max_epochs)
val_cfg = val_dataloader = val_evaluator = None
test_cfg = test_dataloader = test_evaluator = None
optim_wrapper = dict(
    type='OptimWrapper',
    optimizer=dict(type='SGD', lr=0.1, momentum=1e-4, weight_decay=1e-4),
    paramwise_cfg=dict(custom_keys={'displacement.': dict(lr_mult=10.)}))
param_scheduler = [
    dict(
        type='MaxStepPolyLR',
        power=0.9,
        end=max_epochs,
        by_epoch=True,
        convert_to_iter_based=True)
]
