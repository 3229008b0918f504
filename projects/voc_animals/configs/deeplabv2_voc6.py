# DeepLabV2 on EfficientNet-Lite0 at output stride 16, trained by mmseg from the pipeline's masks.
_base_ = [
    '../../../configs/_base_/segmentors/segmentor.py',
    '../../../configs/_base_/datasets/masks.py',
    '../../../configs/_base_/schedules/deeplab_20k.py',
    '../../../configs/_base_/segmentation_runtime.py',
]
data_root = 'data/voc_animals'
weights = 'pretrain/efficientnet_lite0_timm.pth'
classes = ('cat', 'cow', 'dog', 'horse', 'person', 'sheep')
crop_size = (224, 224)

model = dict(
    data_preprocessor=dict(
        mean=[127.5] * 3, std=[127.5] * 3, size=crop_size, pad_val=127.5),
    backbone=dict(
        type='TimmBackbone',
        model='tf_efficientnet_lite0',
        output_stride=16,
        out_indices=(4, ),
        frozen_stages=2,
        init_cfg=dict(type='Pretrained', checkpoint=weights)),
    decode_head=dict(
        type='DeepLabV2Head', in_channels=320, in_index=0, num_classes=7, dilations=(1, 2, 4, 6)),
    test_cfg=dict(flip=True))

load, mask, _, _, flip, pack = _base_.train_pipeline
train_pipeline = [
    load, mask,
    dict(
        type='RandomChoice',
        transforms=[[dict(type='mmseg.Resize', scale_factor=scale, keep_ratio=True)]
                    for scale in (0.5, 0.75, 1.0)]),
    dict(type='mmseg.RandomCrop', crop_size=crop_size),
    flip, pack,
]
# The masks of the pipeline have the ids of the six classes, the exact ones those of VOC.
dataset = dict(data_root=data_root, metainfo=dict(classes=classes))
train_dataloader = dict(
    batch_size=16,
    num_workers=1,
    dataset=dict(
        **dataset, ann_file='ImageSets/Segmentation/train_aug.txt', pipeline=train_pipeline))
val_dataloader = dict(
    num_workers=1,
    dataset=dict(
        **dataset,
        ann_file='ImageSets/Segmentation/val.txt',
        mask_classes='VOCImageLabelDataset'))
test_dataloader = val_dataloader

optim_wrapper = dict(
    type='OptimWrapper',
    optimizer=dict(type='AdamW', lr=1e-4, weight_decay=1e-2),
    paramwise_cfg=dict(custom_keys=dict(decode_head=dict(lr_mult=20.))))
train_cfg = dict(max_iters=600, val_interval=600)
default_hooks = dict(logger=dict(interval=20), checkpoint=dict(interval=80))
