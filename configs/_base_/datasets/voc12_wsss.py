# VOC 2012 with image labels. Training on train_aug (10,582 images), seeds are scored on train
# (1,464). Labels come from the XML annotations, or from label_file, e.g. cls_labels.npy.
_base_ = './wsss.py'

dataset = dict(
    type='VOCImageLabelDataset', data_root='data/VOCdevkit/VOC2012', label_file=None)
train_dataloader = dict(
    dataset=dict(**dataset, ann_file='ImageSets/Segmentation/train_aug.txt'))
val_dataloader = dict(dataset=dict(**dataset, ann_file='ImageSets/Segmentation/train.txt'))
test_dataloader = val_dataloader
