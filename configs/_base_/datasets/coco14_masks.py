# COCO 2014 (80 classes) for mmseg: trained on generated masks, scored on those of val made by
# tools/dataset_converters/coco.py. Without a list, every mask in the folder counts.
#
#   --cfg-options train_dataloader.dataset.mask_dir=/path/to/masks
data_root = 'data/coco2014'
mask_dir = 'pseudo_masks'  # <data_root>/pseudo_masks/COCO_train2014_<number>.png
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
    dataset=dict(
        type='PseudoMaskDataset',
        data_root=data_root,
        img_dir='train2014',
        mask_dir=mask_dir,
        mask_classes='COCOImageLabelDataset',
        pipeline=train_pipeline))
val_dataloader = dict(
    batch_size=1,
    num_workers=4,
    persistent_workers=True,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(
        type='PseudoMaskDataset',
        data_root=data_root,
        img_dir='val2014',
        mask_dir='SegmentationClass/val2014',
        mask_classes='COCOImageLabelDataset',
        test_mode=True,
        pipeline=test_pipeline))
test_dataloader = val_dataloader
val_evaluator = dict(type='mmseg.IoUMetric', iou_metrics=['mIoU'])
test_evaluator = val_evaluator
