# What all data sets for mmseg share: trained on generated masks, scored on ground truth. The file
# of a data set says where both are. Point it at the masks of a run (paths are relative to data_root
# unless absolute):
#   --cfg-options train_dataloader.dataset.mask_dir=/path/to/masks
crop_size = (321, 321)
train_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='LoadPseudoMask'),
    dict(
        type='RandomChoice',
        transforms=[[dict(type='mmseg.Resize', scale_factor=scale, keep_ratio=True)]
                    for scale in (0.5, 0.75, 1.0, 1.25, 1.5)]),
    dict(type='mmseg.RandomCrop', crop_size=crop_size),
    dict(type='mmseg.RandomFlip', prob=0.5),
    dict(type='mmseg.PackSegInputs'),
]
test_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='LoadPseudoMask'),
    dict(type='mmseg.PackSegInputs'),
]
train_dataloader = dict(
    batch_size=10,
    num_workers=4,
    persistent_workers=True,
    drop_last=True,
    sampler=dict(type='InfiniteSampler', shuffle=True),
    dataset=dict(type='PseudoMaskDataset', pipeline=train_pipeline))
val_dataloader = dict(
    batch_size=1,
    num_workers=4,
    persistent_workers=True,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(type='PseudoMaskDataset', test_mode=True, pipeline=test_pipeline))
test_dataloader = val_dataloader
val_evaluator = dict(type='mmseg.IoUMetric', iou_metrics=['mIoU'])
test_evaluator = val_evaluator
