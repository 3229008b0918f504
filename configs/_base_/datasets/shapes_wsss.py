# Shapes: drawn when first used, see ShapesDataset. Seeds are scored on the training images
# themselves, as on VOC; a held-out part is `val`.
_base_ = './wsss.py'

data_root = 'data/shapes'
load, _, flip, _, pack = _base_.train_pipeline
train_pipeline = [
    load, dict(type='ResizeLong', long=(60, 100)), flip, dict(type='RandomPadCrop', size=80), pack
]
train = dict(type='ShapesDataset', data_root=data_root, split='train', num_images=400)
loader = dict(batch_size=16, num_workers=1)
train_dataloader = dict(**loader, dataset=dict(**train, pipeline=train_pipeline))
val_dataloader = dict(**loader, dataset=train)
test_dataloader = dict(**loader, dataset=dict(train, split='val', num_images=100))
