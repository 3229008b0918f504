# Baseline of KTSE (gated pyramid pooling, classification only) on the voc6 protocol: MobileNetV1
# (width .75, ImageNet weights), crops of 160, 6 epochs of 3,131 pictures.
#   python tools/run_pipeline.py projects/voc_animals/configs/gpp_mobilenet_voc6.py
_base_ = '../../../configs/_base_/default_runtime.py'
custom_imports = dict(imports=['projects.voc_animals.mobilenet'], allow_failed_imports=False)

data_root = 'data/voc_animals'
weights = 'pretrain/mobilenet_v1_075_imagenet.pth'
classes = ('cat', 'cow', 'dog', 'horse', 'person', 'sheep')
epochs = 6
warmup = 2  # KTSE's ideas begin here, and the baseline sees the same pictures
crop = 160

model = dict(
    type='WSSSClassifier',
    data_preprocessor=dict(
        type='WSSSDataPreprocessor', mean=[127.5] * 3, std=[127.5] * 3, bgr_to_rgb=True),
    backbone=dict(
        type='MobileNetV1',
        width=0.75,
        output_stride=16,
        init_cfg=dict(type='Pretrained', checkpoint=weights)),
    head=dict(type='GPPHead', num_classes=len(classes), in_channels=768),
    modules=[])

dataset = dict(
    type='VOCImageLabelDataset',
    data_root=data_root,
    label_file='labels.json',
    metainfo=dict(classes=classes))
train_pipeline = [
    dict(type='LoadImage'),
    dict(type='ResizeLong', long=(160, 288)),
    dict(type='RandomFlip', prob=0.5),
    dict(type='RandomPadCrop', size=crop),
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
        ann_file='ImageSets/Segmentation/train_aug.txt', pipeline=train_pipeline, **dataset))
val_dataloader = dict(
    batch_size=1,
    num_workers=1,
    sampler=dict(type='DefaultSampler', shuffle=False),
    collate_fn=dict(type='pseudo_collate'),
    dataset=dict(
        ann_file='ImageSets/Segmentation/train.txt',
        test_mode=True,
        pipeline=test_pipeline,
        **dataset))
test_dataloader = dict(
    batch_size=1,
    num_workers=1,
    sampler=dict(type='DefaultSampler', shuffle=False),
    collate_fn=dict(type='pseudo_collate'),
    dataset=dict(
        ann_file='ImageSets/Segmentation/val.txt',
        test_mode=True,
        pipeline=test_pipeline,
        **dataset))
val_evaluator = dict(type='SeedMetric', thresholds=(0, 0.6, 0.01))
test_evaluator = val_evaluator

optim_wrapper = dict(
    type='OptimWrapper',
    constructor='WSSSOptimWrapperConstructor',
    paramwise_cfg=dict(new_layers=('head', )),
    optimizer=dict(type='SGD', lr=0.01, momentum=0.9, weight_decay=5e-4))
param_scheduler = [
    dict(type='PolyLR', power=0.9, by_epoch=True, end=epochs, convert_to_iter_based=True)
]
train_cfg = dict(type='WSSSTrainLoop', max_epochs=epochs, val_begin=epochs)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')
