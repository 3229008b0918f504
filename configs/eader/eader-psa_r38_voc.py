# EADER in PSA: PSA's ResNet38 classifier is the localizer, its CAM the attention. Published on VOC
# val: CAM 46.8 -> 48.6, after AffinityNet and random walk 58.7 -> 60.1 mIoU. The integration was not
# released; what the paper leaves open (alpha, beta, the phases) is that of EADER alone.
_base_ = [
    '../_base_/models/gap_r38.py',
    '../_base_/datasets/voc12_wsss.py',
    '../_base_/refiners/psa.py',
    '../_base_/default_runtime.py',
]

model = dict(
    networks=dict(
        adversary=dict(
            type='CAMNetwork',
            backbone=dict(
                type='mmpretrain.ResNet',
                depth=18,
                out_indices=(3, ),
                style='pytorch',
                init_cfg=dict(type='Pretrained', checkpoint='torchvision://resnet18')),
            head=dict(type='GAPHead', num_classes=20, in_channels=512, bias=True))),
    modules=[dict(type='AdversarialErasing', alpha=0.05, beta=1e-5, attention='cam')],
    test_cfg=dict(scales=(0.5, 1., 1.5, 2.), flip=True))

train_pipeline = [
    dict(type='LoadImage'),
    dict(type='ResizeLong', long=(256, 512)),
    dict(type='RandomFlip', prob=0.5),
    dict(type='ColorJitter', brightness=0.3, contrast=0.3, saturation=0.3, hue=0.1),
    dict(type='RandomPadCrop', size=448),
    dict(type='PackWSSSInputs'),
]
train_dataloader = dict(batch_size=16, dataset=dict(pipeline=train_pipeline))
val_dataloader = dict(dataset=dict(ann_file='ImageSets/Segmentation/val.txt'))
test_dataloader = val_dataloader

# The momentum really is 5e-4: PSA's optimizer class takes the weight decay for it.
max_epochs = 15
optimizer = dict(type='SGD', lr=0.01, momentum=5e-4, weight_decay=5e-4)
optim_wrapper = dict(
    constructor='MultiOptimWrapperConstructor',
    localizer=dict(
        type='OptimWrapper',
        optimizer=optimizer,
        modules=['backbone', 'head'],
        paramwise_cfg=dict(custom_keys={'head.': dict(lr_mult=10.)})),
    adversary=dict(type='OptimWrapper', optimizer=optimizer, modules=['networks.adversary']))
param_scheduler = [
    dict(
        type='PolyLR',
        eta_min=0.,
        power=0.9,
        begin=0,
        end=max_epochs,
        by_epoch=True,
        convert_to_iter_based=True)
]
train_cfg = dict(
    type='WSSSTrainLoop',
    max_epochs=max_epochs,
    phases=[dict(optim='localizer', steps=200), dict(optim='adversary', steps=200)],
    val_begin=max_epochs)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')
find_unused_parameters = True
