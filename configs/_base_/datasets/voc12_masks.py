# VOC 2012 for mmseg: trained on <data_root>/pseudo_masks/<id>.png, scored on the ground truth of
# val.
_base_ = './masks.py'

dataset = dict(
    data_root='data/VOCdevkit/VOC2012', img_dir='JPEGImages', mask_classes='VOCImageLabelDataset')
train_dataloader = dict(dataset=dict(
    **dataset, ann_file='ImageSets/Segmentation/train_aug.txt', mask_dir='pseudo_masks'))
val_dataloader = dict(dataset=dict(
    **dataset, ann_file='ImageSets/Segmentation/val.txt', mask_dir='SegmentationClassAug'))
test_dataloader = val_dataloader
