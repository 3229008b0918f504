# The baseline: gated pyramid pooling on MobileNetV1 0.75, classification only. Protocol voc6.
_base_ = '../../../configs/_base_/default_runtime.py'
custom_imports = dict(imports=['projects.voc_animals.mobilenet'], allow_failed_imports=False)

data_root = 'data/voc_animals'
weights = 'pretrain/mobilenet_v1_075_imagenet.pth'
classes = ('cat', 'cow', 'dog', 'horse', 'person', 'sheep')
metainfo = dict(classes=classes)
# A quarter of train_aug, evenly over the list; None takes all of it.
train_indices = list(range(0, 3131, 4))
crop, batch = 160, 16

data_preprocessor = dict(
    type='WSSSDataPreprocessor', mean=[127.5] * 3, std=[127.5] * 3, bgr_to_rgb=True)
model = dict(
    type='WSSSClassifier',
    data_preprocessor=data_preprocessor,
    backbone=dict(
        type='MobileNetV1',
        width=0.75,
        output_stride=16,
        frozen_blocks=2,
        init_cfg=dict(type='Pretrained', checkpoint=weights)),
    head=dict(type='GPPHead', num_classes=6, in_channels=768, embed_channels=128),
    modules=[])

train_pipeline = [
    dict(type='LoadImage'),
    dict(type='ResizeLong', long=(160, 320)),
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
        indices=train_indices,
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
val_evaluator = dict(type='SeedMetric', thresholds=(0, 0.6, 0.01))
test_evaluator = val_evaluator

# AdamW, since a few hundred steps are all that the budget has. A higher rate of the backbone (2e-4
# and up) undoes its ImageNet features faster than it learns.
optim_wrapper = dict(
    type='OptimWrapper',
    optimizer=dict(type='AdamW', lr=3e-5, weight_decay=1e-2),
    paramwise_cfg=dict(custom_keys=dict(head=dict(lr_mult=100.))))
# As in KTSE's code, the rate falls as if there were more steps than are taken: modules that begin
# late still have a rate to learn with.
param_scheduler = dict(
    type='PolyLR', power=0.9, eta_min=0., stretch=2, by_epoch=True,
    convert_to_iter_based=True)
train_cfg = dict(type='WSSSTrainLoop', max_epochs=8, val_begin=None)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')
default_hooks = dict(logger=dict(interval=10))

pipeline = dict(
    cam=dict(scales=(1.0, ), flip=True, batch_size=8),
    mask=dict(type='CRFMask', preset='irn_label', unary='labels', bg='oracle'),
    segment=dict(config='projects/voc_animals/configs/deeplabv2_mobilenet.py'))
