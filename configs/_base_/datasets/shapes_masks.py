# Shapes for mmseg: trained on generated masks, scored on the exact ones of val. The drawings are
# made by ShapesDataset.export(data_root), or by any classifier config on Shapes.
#
# mask_dir is relative to data_root unless absolute; the default is the ground truth (the upper
# bound). --cfg-options train_dataloader.dataset.mask_dir=/path/to/masks
data_root = 'data/shapes'
mask_dir = 'SegmentationClassAug'

train_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='LoadPseudoMask'),
    dict(
        type='RandomChoice',
        transforms=[[dict(type='mmseg.Resize', scale_factor=scale, keep_ratio=True)]
                    for scale in (0.75, 1.0, 1.25)]),
    dict(type='mmseg.RandomCrop', crop_size=(112, 112)),
    dict(type='mmseg.RandomFlip', prob=0.5),
    dict(type='mmseg.PackSegInputs'),
]
test_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='LoadPseudoMask'),
    dict(type='mmseg.PackSegInputs'),
]
train_dataloader = dict(
    batch_size=16,
    num_workers=1,
    persistent_workers=True,
    drop_last=True,
    sampler=dict(type='InfiniteSampler', shuffle=True),
    dataset=dict(
        type='PseudoMaskDataset',
        data_root=data_root,
        ann_file='ImageSets/Segmentation/train.txt',
        mask_dir=mask_dir,
        mask_classes='ShapesDataset',
        pipeline=train_pipeline))
val_dataloader = dict(
    batch_size=16,
    num_workers=1,
    persistent_workers=True,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(
        type='PseudoMaskDataset',
        data_root=data_root,
        ann_file='ImageSets/Segmentation/val.txt',
        mask_dir='SegmentationClassAug',
        mask_classes='ShapesDataset',
        test_mode=True,
        pipeline=test_pipeline))
test_dataloader = val_dataloader
val_evaluator = dict(type='mmseg.IoUMetric', iou_metrics=['mIoU'])
test_evaluator = val_evaluator
