# DeepLabV2 on ResNet-101, COCO 2014, trained on generated masks: 100,000 steps of batch 10, rate
# 2e-4, ImageNet weights (the settings LPCAM's authors publish for weakly supervised masks).
_base_ = [
    '../_base_/segmentors/deeplabv2_r101.py',
    '../_base_/datasets/coco14_masks.py',
    '../_base_/schedules/deeplab_100k.py',
    '../_base_/segmentation_runtime.py',
]

model = dict(decode_head=dict(num_classes=81))
optim_wrapper = dict(optimizer=dict(lr=2e-4))
