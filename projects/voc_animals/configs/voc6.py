# Protocol voc6: data, loops and scores of all classifiers of this project (see the README).
_base_ = '../../../configs/_base_/default_runtime.py'

data_root = 'data/voc_animals'
classes = ('cat', 'cow', 'dog', 'horse', 'person', 'sheep')
metainfo = dict(classes=classes)
crop, batch = 224, 16

train_pipeline = [
    dict(type='LoadImage'),
    dict(type='ResizeLong', long=(224, 384)),
    dict(type='RandomFlip', prob=0.5),
    dict(type='RandomPadCrop', size=crop),
    dict(type='PackWSSSInputs'),
]
test_pipeline = [dict(type='LoadImage'), dict(type='LoadMask'), dict(type='PackWSSSInputs')]
animals = dict(
    type='VOCImageLabelDataset', data_root=data_root, label_file='labels.json', metainfo=metainfo)
train_dataloader = dict(
    batch_size=batch,
    num_workers=1,
    persistent_workers=True,
    drop_last=True,
    sampler=dict(type='EpochSampler', shuffle=True),
    collate_fn=dict(type='pseudo_collate'),
    dataset=dict(
        **animals,
        ann_file='ImageSets/Segmentation/train_aug.txt',
        indices=None,  # all; the second phases take half
        pipeline=train_pipeline))
# The seeds' threshold is chosen on images of `train`; `val` is scored with it and on its own.
val_dataloader = dict(
    batch_size=1,
    num_workers=1,
    sampler=dict(type='DefaultSampler', shuffle=False),
    collate_fn=dict(type='pseudo_collate'),
    dataset=dict(
        **animals,
        ann_file='ImageSets/Segmentation/train.txt',
        indices=150,
        test_mode=True,
        pipeline=test_pipeline))
test_dataloader = dict(
    batch_size=1,
    num_workers=1,
    sampler=dict(type='DefaultSampler', shuffle=False),
    collate_fn=dict(type='pseudo_collate'),
    dataset=dict(
        **animals,
        ann_file='ImageSets/Segmentation/val.txt',
        test_mode=True,
        pipeline=test_pipeline))
val_evaluator = dict(type='SeedMetric')
test_evaluator = val_evaluator

train_cfg = dict(type='WSSSTrainLoop', max_epochs=3, val_begin=None)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')
default_hooks = dict(logger=dict(interval=10))

pipeline = dict(
    cam=dict(scales=(1.0, ), flip=True, batch_size=8),
    mask=dict(type='CRFMask', preset='irn_label', unary='labels', bg='oracle'),
    segment=dict(config='projects/voc_animals/configs/deeplabv2_voc6.py'))
