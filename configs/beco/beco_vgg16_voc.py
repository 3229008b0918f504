# BECO co-training of two DeepLab-LargeFOV on VGG16, VOC 2012, with KTSE's settings: 80 epochs.
_base_ = [
    '../_base_/segmentors/beco_vgg16.py',
    '../_base_/datasets/voc12_beco.py',
    '../_base_/schedules/beco_80e.py',
    '../_base_/segmentation_runtime.py',
]

log_processor = dict(by_epoch=True)
