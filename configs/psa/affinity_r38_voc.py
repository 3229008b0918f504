# AffinityNet on VOC: 8 epochs of batch 8. It learns from the scores that
#   python tools/generate_masks.py CLASSIFIER --cams DIR --out SCORES_DIR --refine affinity
# makes (give prior_dir), and refines with --refine psa. The pipeline does all of this by itself.
_base_ = [
    '../_base_/models/affinity_r38.py',
    '../_base_/datasets/voc12_wsss.py',
    '../_base_/default_runtime.py',
]

train_pipeline = [
    dict(type='LoadImage'),
    dict(type='LoadAffinityScores'),
    dict(type='ColorJitter', brightness=0.3, contrast=0.3, saturation=0.3, hue=0.1),
    dict(type='RandomPadCrop', size=448),
    dict(type='RandomFlip', prob=0.5),
    dict(type='AffinityLabels', stride=8),
    dict(type='PackWSSSInputs'),
]
train_dataloader = dict(
    batch_size=8,
    dataset=dict(prior_dir='affinity_scores', prior_suffix='.npz', pipeline=train_pipeline))

# Rate .01, as all do who use ResNet38 (PSA's default .1 is for VGG). The momentum really is the
# weight decay, see legacy_momentum.
max_epochs = 8
train_cfg = dict(type='WSSSTrainLoop', max_epochs=max_epochs)
val_cfg = val_dataloader = val_evaluator = None
test_cfg = test_dataloader = test_evaluator = None
optim_wrapper = dict(
    type='OptimWrapper',
    constructor='WSSSOptimWrapperConstructor',
    optimizer=dict(type='SGD', lr=0.01, weight_decay=5e-4),
    paramwise_cfg=dict(new_layers=('reduce', 'fuse'), legacy_momentum=True))
param_scheduler = [
    dict(
        type='MaxStepPolyLR',
        power=0.9,
        end=max_epochs,
        by_epoch=True,
        convert_to_iter_based=True)
]
