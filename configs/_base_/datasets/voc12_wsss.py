# VOC 2012 with image labels. Training on train_aug (10,582 images), seeds are scored on train
# (1,464). Labels come from the XML annotations, or from label_file, e.g. cls_labels.npy.
data_root = 'data/VOCdevkit/VOC2012'
label_file = None
data_preprocessor = dict(
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
test_pipeline = [
    dict(type='LoadImage'),
    dict(type='LoadMask'),
    dict(type='PackWSSSInputs'),
]
train_dataloader = dict(
    batch_size=8,
    num_workers=4,
    persistent_workers=True,
    drop_last=True,
    sampler=dict(type='EpochSampler', shuffle=True),
    collate_fn=dict(type='pseudo_collate'),
    dataset=dict(
        type='VOCImageLabelDataset',
        data_root=data_root,
        ann_file='ImageSets/Segmentation/train_aug.txt',
        label_file=label_file,
        pipeline=train_pipeline))
val_dataloader = dict(
    batch_size=1,
    num_workers=4,
    persistent_workers=True,
    sampler=dict(type='DefaultSampler', shuffle=False),
    collate_fn=dict(type='pseudo_collate'),
    dataset=dict(
        type='VOCImageLabelDataset',
        data_root=data_root,
        ann_file='ImageSets/Segmentation/train.txt',
        label_file=label_file,
        test_mode=True,
        pipeline=test_pipeline))
test_dataloader = val_dataloader
val_evaluator = dict(type='SeedMetric', thresholds=(0, 0.6, 0.01))
test_evaluator = val_evaluator
