# EADER with the labels of its released code: the classes of the whole image's mask in
# SegmentationClassAug, in place of the annotations. Make the table first:
#   python tools/dataset_converters/masks_to_labels.py \
#       data/VOCdevkit/VOC2012/SegmentationClassAug data/VOCdevkit/VOC2012/labels_from_masks.json
_base_ = './eader_r101_voc.py'

label_file = 'labels_from_masks.json'
train_dataloader = dict(dataset=dict(label_file=label_file))
val_dataloader = dict(dataset=dict(label_file=label_file))
test_dataloader = val_dataloader
