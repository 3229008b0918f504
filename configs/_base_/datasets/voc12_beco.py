# VOC 2012 for BECO: batch 16 by epochs, crop 512, tested at 512x512.
_base_ = './voc12_masks.py'

crop_size = (512, 512)
train_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='LoadPseudoMask'),
    # The scales that BECO lists are read as bounds of the area there: only the first two count.
    dict(type='RandomResizedCrop', size=512, scale=(0.5, 0.75)),
    dict(type='mmseg.RandomFlip', prob=0.5),
    dict(type='mmseg.PackSegInputs'),
]
test_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='mmseg.Resize', scale=crop_size, keep_ratio=False),
    dict(type='LoadPseudoMask'),
    dict(type='mmseg.PackSegInputs'),
]
train_dataloader = dict(
    batch_size=16,
    sampler=dict(_delete_=True, type='EpochSampler', shuffle=True),
    dataset=dict(pipeline=train_pipeline))
val_dataloader = dict(dataset=dict(pipeline=test_pipeline))
test_dataloader = val_dataloader
