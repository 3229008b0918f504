# COCO 2014 for BECO.
_base_ = './voc12_beco.py'

coco = dict(data_root='data/coco2014', ann_file='', mask_classes='COCOImageLabelDataset')
train_dataloader = dict(dataset=dict(img_dir='train2014', **coco))
val_dataloader = dict(
    dataset=dict(img_dir='val2014', mask_dir='SegmentationClass/val2014', **coco))
test_dataloader = val_dataloader
