# DeepLab-LargeFOV on VGG16, COCO 2014: 100,000 steps of batch 10, crop 321.
_base_ = [
    '../_base_/segmentors/deeplabv1_vgg16.py',
    '../_base_/datasets/coco14_masks.py',
    '../_base_/schedules/deeplab_100k.py',
    '../_base_/segmentation_runtime.py',
]

model = dict(decode_head=dict(num_classes=81))
