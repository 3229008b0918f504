# AffinityNet (PSA) on EfficientNet-Lite0, images of gap_voc6.py once: the backbone learns at output
# stride 8, where a step takes as long as five of IRNet's. prior_dir: scores of
# generate_masks.py --refine affinity; the pipeline of a config with affinity=dict(config=THIS,
# labels=dict(type='AffinityScores')) makes them by itself.
_base_ = './gap_voc6.py'

model = dict(
    _delete_=True,
    type='AffinityNet',
    data_preprocessor=_base_.model.data_preprocessor,
    backbone=dict(
        type='TimmBackbone',
        model='tf_efficientnet_lite0',
        output_stride=8,
        out_indices=(2, 3, 4),
        frozen_stages=2,
        init_cfg=dict(type='Pretrained', checkpoint=_base_.weights)),
    in_channels=(40, 112, 320),
    channels=(32, 64, 128),
    radius=5)

affinity_pipeline = [
    dict(type='LoadImage'),
    dict(type='LoadAffinityScores'),
    dict(type='ColorJitter', brightness=0.3, contrast=0.3, saturation=0.3, hue=0.1),
    dict(type='RandomPadCrop', size=224),
    dict(type='RandomFlip', prob=0.5),
    dict(type='AffinityLabels', stride=8),
    dict(type='PackWSSSInputs'),
]
train_dataloader = dict(
    batch_size=8,
    dataset=dict(prior_dir='affinity_scores', prior_suffix='.npz', pipeline=affinity_pipeline))

optim_wrapper = dict(
    _delete_=True,
    type='OptimWrapper',
    optimizer=dict(type='AdamW', lr=3e-5, weight_decay=1e-2),
    paramwise_cfg=dict(custom_keys=dict(reduce=dict(lr_mult=100.), fuse=dict(lr_mult=100.))))
train_cfg = dict(max_epochs=1)
val_cfg = val_dataloader = val_evaluator = None
test_cfg = test_dataloader = test_evaluator = None
pipeline = dict(_delete_=True)
