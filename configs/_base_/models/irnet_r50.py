# IRNet on a frozen ImageNet ResNet-50 at output stride 16, and its training. Only the boundary
# branch, which is all that semantic masks need; displacement=True adds the branch for instances
# (nothing is shared). It learns from the masks that
#   python tools/generate_masks.py CLASSIFIER --cams DIR --out IR_LABEL_DIR --refine ir_label
# makes (give prior_dir), and refines with --refine irn. The pipeline does all of this by itself.
model = dict(
    type='IRNet',
    backbone=dict(
        type='mmpretrain.ResNet',
        depth=50,
        strides=(1, 2, 2, 1),
        out_indices=(0, 1, 2, 3),
        frozen_stages=4,
        norm_eval=True,
        style='pytorch',
        init_cfg=dict(type='Pretrained', checkpoint='torchvision://resnet50')),
    in_channels=(64, 256, 512, 1024, 2048),
    stem='maxpool',
    displacement=False,
    radius=10,
    crop_size=512)
augmentation = [
    dict(type='LoadImage'),
    dict(type='LoadMask', key='prior_mask'),
    dict(type='RandomScale', ratio=(0.5, 1.5)),
    dict(type='RandomFlip', prob=0.5),
    dict(type='RandomPadCrop', size=512),
    dict(type='PackWSSSInputs'),
]
irn_loader = dict(batch_size=32, dataset=dict(prior_dir='ir_label', pipeline=augmentation))

# All parameters alike (only displacements 10 times the rate), as in the original; and the momentum
# really is 1e-4: its optimizer class takes the weight decay for it.
train_cfg = dict(type='WSSSTrainLoop', max_epochs=3)
optim_wrapper = dict(
    type='OptimWrapper',
    optimizer=dict(type='SGD', lr=0.1, momentum=1e-4, weight_decay=1e-4),
    paramwise_cfg=dict(custom_keys={'displacement.': dict(lr_mult=10.)}))
param_scheduler = [
    dict(type='MaxStepPolyLR', power=0.9, by_epoch=True, convert_to_iter_based=True)
]
