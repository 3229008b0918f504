# BECO co-training of two DeepLabV2 on ResNet-101, COCO 2014, with KTSE's settings: 40 epochs.
_base_ = [
    '../_base_/segmentors/beco_r101.py',
    '../_base_/datasets/coco14_beco.py',
    '../_base_/schedules/beco_40e.py',
    '../_base_/segmentation_runtime.py',
]

log_processor = dict(by_epoch=True)
model = dict(decode_head=dict(num_classes=81))
