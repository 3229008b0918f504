# DeepLabV2 on MobileNetV1 0.75 at output stride 16, trained by mmseg from the pipeline's masks.
_base_ = '../../../configs/_base_/segmentation_runtime.py'
custom_imports = dict(
    imports=['mmwsss.datasets', 'mmwsss.models', 'projects.voc_animals.mobilenet'],
    allow_failed_imports=False)

data_root = 'data/voc_animals'
weights = 'pretrain/mobilenet_v1_075_imagenet.pth'
classes = ('cat', 'cow', 'dog', 'horse', 'person', 'sheep')
crop_size = (160, 160)
iters = 600

model = dict(
    type='MSCEncoderDecoder',
    data_preprocessor=dict(
        type='mmseg.SegDataPreProcessor', mean=[127.5] * 3, std=[127.5] * 3, bgr_to_rgb=True,
        size=crop_size, pad_val=127.5, seg_pad_val=255),
    backbone=dict(
        type='MobileNetV1',
        width=0.75,
        output_stride=16,
        init_cfg=dict(type='Pretrained', checkpoint=weights)),
    decode_head=dict(
        type='DeepLabV2Head', in_channels=768, in_index=0, num_classes=7, dilations=(1, 2, 4, 6)),
    train_cfg=dict(),
    test_cfg=dict(mode='whole', flip=True))

train_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='LoadPseudoMask'),
    dict(
        type='RandomChoice',
        transforms=[[dict(type='mmseg.Resize', scale_factor=scale, keep_ratio=True)]
                    for scale in (0.5, 0.75, 1.0)]),
    dict(type='mmseg.RandomCrop', crop_size=crop_size),
    dict(type='mmseg.RandomFlip', prob=0.5),
    dict(type='mmseg.PackSegInputs'),
]
test_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='LoadPseudoMask'),
    dict(type='mmseg.PackSegInputs'),
]
# The masks of the pipeline have the ids of the six classes, the exact ones those of VOC.
train_dataloader = dict(
    batch_size=16,
    num_workers=1,
    persistent_workers=True,
    drop_last=True,
    sampler=dict(type='InfiniteSampler', shuffle=True),
    dataset=dict(
        type='PseudoMaskDataset',
        data_root=data_root,
        ann_file='ImageSets/Segmentation/train_aug.txt',
        metainfo=dict(classes=classes),
        pipeline=train_pipeline))
val_dataloader = dict(
    batch_size=1,
    num_workers=1,
    persistent_workers=True,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(
        type='PseudoMaskDataset',
        data_root=data_root,
        ann_file='ImageSets/Segmentation/val.txt',
        metainfo=dict(classes=classes),
        mask_classes='VOCImageLabelDataset',
        test_mode=True,
        pipeline=test_pipeline))
test_dataloader = val_dataloader
val_evaluator = dict(type='mmseg.IoUMetric', iou_metrics=['mIoU'])
test_evaluator = val_evaluator

optim_wrapper = dict(
    type='OptimWrapper',
    optimizer=dict(type='AdamW', lr=1e-4, weight_decay=1e-2),
    paramwise_cfg=dict(custom_keys=dict(decode_head=dict(lr_mult=20.))))
param_scheduler = dict(type='PolyLR', eta_min=0., power=0.9, begin=0, end=iters, by_epoch=False)
train_cfg = dict(type='WSSSTrainLoop', max_iters=iters, val_interval=iters)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')
default_hooks = dict(
    timer=dict(type='IterTimerHook'),
    logger=dict(type='LoggerHook', interval=20, log_metric_by_epoch=False),
    param_scheduler=dict(type='ParamSchedulerHook'),
    checkpoint=dict(type='WSSSCheckpointHook', by_epoch=False, interval=80, max_keep_ckpts=1),
    sampler_seed=dict(type='DistSamplerSeedHook'))
