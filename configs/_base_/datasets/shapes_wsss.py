# Shapes: drawn when first used, see ShapesDataset. Seeds are scored on the training images
# themselves, as on VOC; a held-out part is `val`.
data_root = 'data/shapes'
num_train, num_val = 400, 100
data_preprocessor = dict(
    type='WSSSDataPreprocessor',
    mean=[123.675, 116.28, 103.53],
    std=[58.395, 57.12, 57.375],
    bgr_to_rgb=True)

train_pipeline = [
    dict(type='LoadImage'),
    dict(type='ResizeLong', long=(84, 140)),
    dict(type='RandomFlip', prob=0.5),
    dict(type='RandomPadCrop', size=112),
    dict(type='PackWSSSInputs'),
]
test_pipeline = [
    dict(type='LoadImage'),
    dict(type='LoadMask'),
    dict(type='PackWSSSInputs'),
]
train_dataloader = dict(
    batch_size=16,
    num_workers=1,
    persistent_workers=True,
    drop_last=True,
    sampler=dict(type='EpochSampler', shuffle=True),
    collate_fn=dict(type='pseudo_collate'),
    dataset=dict(
        type='ShapesDataset',
        data_root=data_root,
        split='train',
        num_images=num_train,
        pipeline=train_pipeline))
val_dataloader = dict(
    batch_size=16,
    num_workers=1,
    persistent_workers=True,
    sampler=dict(type='DefaultSampler', shuffle=False),
    collate_fn=dict(type='pseudo_collate'),
    dataset=dict(
        type='ShapesDataset',
        data_root=data_root,
        split='train',
        num_images=num_train,
        test_mode=True,
        pipeline=test_pipeline))
test_dataloader = dict(
    batch_size=16,
    num_workers=1,
    persistent_workers=True,
    sampler=dict(type='DefaultSampler', shuffle=False),
    collate_fn=dict(type='pseudo_collate'),
    dataset=dict(
        type='ShapesDataset',
        data_root=data_root,
        split='val',
        num_images=num_val,
        test_mode=True,
        pipeline=test_pipeline))
val_evaluator = dict(type='SeedMetric', thresholds=(0, 0.6, 0.01))
test_evaluator = val_evaluator
