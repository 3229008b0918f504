# COCO 2014 (80 classes) for mmseg: trained on <data_root>/pseudo_masks/COCO_train2014_<number>.png,
# scored on the masks of val made by tools/dataset_converters/coco.py. Without a list, every mask in
# the folder counts.
_base_ = './masks.py'

dataset = dict(data_root='data/coco2014', mask_classes='COCOImageLabelDataset')
train_dataloader = dict(dataset=dict(**dataset, img_dir='train2014', mask_dir='pseudo_masks'))
val_dataloader = dict(dataset=dict(
    **dataset, img_dir='val2014', mask_dir='SegmentationClass/val2014'))
test_dataloader = val_dataloader
