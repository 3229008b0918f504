# What all data sets with image labels share; the file of a data set says where it is.
data_preprocessor = dict(  # as models have it by default
    type='WSSSDataPreprocessor',
    mean=[123.675, 116.28, 103.53],
    std=[58.395, 57.12, 57.375],
    bgr_to_rgb=True)
train_pipeline = [
    dict(type='LoadImage'),
    dict(type='ResizeLong', long=(256, 512)),
    dict(type='RandomFlip', prob=0.5),
    dict(type='RandomPadCrop', size=320),
    dict(type='PackWSSSInputs'),
]
test_pipeline = [dict(type='LoadImage'), dict(type='LoadMask'), dict(type='PackWSSSInputs')]
train_dataloader = dict(
    batch_size=8,
    num_workers=4,
    persistent_workers=True,
    drop_last=True,
    sampler=dict(type='EpochSampler', shuffle=True),
    collate_fn=dict(type='pseudo_collate'),
    dataset=dict(pipeline=train_pipeline))
val_dataloader = dict(
    batch_size=1,
    num_workers=4,
    persistent_workers=True,
    sampler=dict(type='DefaultSampler', shuffle=False),
    collate_fn=dict(type='pseudo_collate'),
    dataset=dict(test_mode=True, pipeline=test_pipeline))
test_dataloader = val_dataloader
val_evaluator = dict(type='SeedMetric')
test_evaluator = val_evaluator
