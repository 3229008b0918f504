# DeepLabV3+ on Xception-65, VOC 2012 (EADER): 30,000 steps of batch 16, crop 513.
_base_ = [
    '../_base_/segmentors/deeplabv3plus_x65.py',
    '../_base_/datasets/voc12_masks.py',
    '../_base_/schedules/deeplab_20k.py',
    '../_base_/segmentation_runtime.py',
]

crop_size = (513, 513)
train_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='LoadPseudoMask'),
    dict(
        type='RandomChoice',
        transforms=[[dict(type='mmseg.Resize', scale_factor=scale, keep_ratio=True)]
                    for scale in (0.5, 0.75, 1.0, 1.25, 1.5, 1.75, 2.0)]),
    dict(type='mmseg.RandomCrop', crop_size=crop_size),
    dict(type='mmseg.RandomFlip', prob=0.5),
    dict(type='mmseg.PackSegInputs'),
]
train_dataloader = dict(batch_size=16, dataset=dict(pipeline=train_pipeline))

train_cfg = dict(max_iters=30000)
