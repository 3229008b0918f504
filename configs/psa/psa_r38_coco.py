# PSA on COCO 2014 (80 classes); not in the paper, the settings are those of VOC.
_base_ = './psa_r38_voc.py'

model = dict(head=dict(num_classes=80))
data_root = 'data/coco2014'
train_dataloader = dict(
    dataset=dict(
        _delete_=True,
        type='COCOImageLabelDataset',
        data_root=data_root,
        split='train',
        label_file='labels_train2014.json',
        pipeline=_base_.train_pipeline))
val_dataloader = dict(
    dataset=dict(
        _delete_=True,
        type='COCOImageLabelDataset',
        data_root=data_root,
        split='train',
        label_file='labels_train2014.json',
        indices=1000,
        test_mode=True,
        pipeline=_base_.test_pipeline))
test_dataloader = val_dataloader
pipeline = dict(affinity=dict(config='configs/psa/affinity_r38_coco.py'))
