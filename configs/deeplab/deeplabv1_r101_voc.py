# DeepLabV1 on ResNet-101, VOC 2012, after the wseg code base: 20,000 steps of batch 10, crop 448,
# colour jitter (mmseg's, of about the strength of wseg's, which adds up to 10 to H, S and V).
_base_ = [
    '../_base_/segmentors/deeplabv1_r101.py',
    '../_base_/datasets/voc12_masks.py',
    '../_base_/schedules/deeplab_20k.py',
    '../_base_/segmentation_runtime.py',
]

load, mask, scale, _, flip, pack = _base_.train_pipeline
train_pipeline = [
    load, mask,
    dict(type='RandomScale', ratio=(0.5, 1.5), interpolation='bilinear'),
    dict(type='mmseg.RandomCrop', crop_size=(448, 448)),
    flip,
    dict(
        type='mmseg.PhotoMetricDistortion', brightness_delta=10, contrast_range=(0.9, 1.1),
        saturation_range=(0.9, 1.1), hue_delta=10),
    pack,
]
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
