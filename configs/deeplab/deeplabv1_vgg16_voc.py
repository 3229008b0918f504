# DeepLab-LargeFOV on VGG16, VOC 2012: 20,000 steps of batch 10, crop 321.
_base_ = [
    '../_base_/segmentors/deeplabv1_vgg16.py',
    '../_base_/datasets/voc12_masks.py',
    '../_base_/schedules/deeplab_20k.py',
    '../_base_/segmentation_runtime.py',
]
