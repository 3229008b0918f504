# DeepLabV2 on Shapes, from scratch: 150 steps of batch 16, 40 s of one CPU core. From the ground
# truth of the 400 images: mIoU 54.8 on the 100 of val (seed 0).
_base_ = [
    '../_base_/segmentors/deeplabv2_r18_cpu.py',
    '../_base_/datasets/shapes_masks.py',
    '../_base_/schedules/deeplab_20k.py',
    '../_base_/segmentation_runtime.py',
]

model = dict(
    data_preprocessor=dict(size=(80, 80)),
    decode_head=dict(num_classes=7))

train_cfg = dict(max_iters=150, val_interval=150)
param_scheduler = [
    dict(type='LinearLR', start_factor=0.1, begin=0, end=15, by_epoch=False),
    dict(type='PolyLR', eta_min=0., power=0.9, begin=15, by_epoch=False),
]
default_hooks = dict(checkpoint=dict(interval=150))
