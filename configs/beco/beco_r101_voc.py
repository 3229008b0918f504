# BECO co-training of two DeepLabV2 on ResNet-101, VOC 2012, with KTSE's settings: 80 epochs (100 in
# its code) of batch 16, rate 0.01, decay 1e-4, crop 512, 2 epochs of warm-up. BECO's own warm-up:
# --cfg-options custom_hooks.0.warm_up=1.
#
# Pixels that are 255 in the masks are the unreliable ones, which the models label for each other:
#   --cfg-options train_dataloader.dataset.mask_dir=... train_dataloader.dataset.confidence_dir=...
_base_ = [
    '../_base_/segmentors/beco_r101.py',
    '../_base_/datasets/voc12_beco.py',
    '../_base_/schedules/beco_80e.py',
    '../_base_/segmentation_runtime.py',
]

log_processor = dict(by_epoch=True)
