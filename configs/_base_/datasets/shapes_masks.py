# Shapes for mmseg: trained on generated masks (by default the ground truth, the upper bound),
# scored on the ground truth of val. The drawings are made by ShapesDataset.export(data_root), or by
# any classifier config on Shapes.
_base_ = './masks.py'

load, mask, _, _, flip, pack = _base_.train_pipeline
train_pipeline = [
    load, mask,
    dict(
        type='RandomChoice',
        transforms=[[dict(type='mmseg.Resize', scale_factor=scale, keep_ratio=True)]
                    for scale in (0.75, 1.0, 1.25)]),
    dict(type='mmseg.RandomCrop', crop_size=(80, 80)),
    flip, pack,
]
dataset = dict(
    data_root='data/shapes', mask_dir='SegmentationClassAug', mask_classes='ShapesDataset')
loader = dict(batch_size=16, num_workers=1)
train_dataloader = dict(**loader, dataset=dict(
    **dataset, ann_file='ImageSets/Segmentation/train.txt', pipeline=train_pipeline))
val_dataloader = dict(**loader, dataset=dict(
    **dataset, ann_file='ImageSets/Segmentation/val.txt'))
test_dataloader = val_dataloader
