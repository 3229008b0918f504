# COCO 2014 with image labels, 80 classes. Training on the 82,081 images of train that have an
# object; seeds are scored on the first 1,000 of them, whose masks tools/dataset_converters/coco.py
# makes.
_base_ = './wsss.py'

dataset = dict(
    type='COCOImageLabelDataset',
    data_root='data/coco2014',
    split='train',
    label_file='labels_train2014.json')
train_dataloader = dict(dataset=dataset)
val_dataloader = dict(dataset=dict(**dataset, indices=1000))
test_dataloader = val_dataloader
