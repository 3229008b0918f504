# DeepLabV2 on ResNet-101, VOC 2012, trained on generated masks. 20,000 steps of batch 10, crop 321.
# The rate falls at each step (in kazuto1011's code base at every tenth).
#   python tools/train.py configs/deeplab/deeplabv2_r101_voc.py --cfg-options \
#       train_dataloader.dataset.mask_dir=$PWD/work_dirs/ktse_r38_voc/masks
_base_ = [
    '../_base_/segmentors/deeplabv2_r101.py',
    '../_base_/datasets/voc12_masks.py',
    '../_base_/schedules/deeplab_20k.py',
    '../_base_/segmentation_runtime.py',
]
