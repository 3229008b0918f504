# EADER in PSA: PSA's ResNet38 classifier is the localizer, its CAM the attention, with ReLU and the
# maximum 1 (eq. 2). Published on VOC val: CAM 46.8 -> 48.6, after AffinityNet and random walk
# 58.7 -> 60.1 mIoU; val/test 62.8/63.8 with DeepLabV3+ on Xception-65, 62.5/63.0 with ResNet-101
# (eader-psa_r38_voc_deeplabv3plus-r101.py). The integration was not released; what the paper leaves
# open (alpha, beta, the phases) is that of EADER alone.
_base_ = [
    '../_base_/models/gap_r38.py',
    '../_base_/datasets/voc12_wsss.py',
    '../_base_/augmentations/psa.py',
    '../_base_/schedules/adversarial_10e.py',
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
    modules=[
        dict(
            type='AdversarialErasing',
            alpha=0.05,
            beta=1e-5,
            attention='cam',
            relu=True,
            norm='max')
    ],
    test_cfg=dict(scales=(0.5, 1., 1.5, 2.), flip=True))

train_dataloader = dict(batch_size=16, dataset=dict(pipeline=_base_.augmentation))
val_dataloader = dict(dataset=dict(ann_file='ImageSets/Segmentation/val.txt'))
test_dataloader = val_dataloader

# As PSA alone, but in turns: 15 epochs with its parameter groups, momentum and decay of the rate.
optimizer = dict(type='SGD', lr=0.01, weight_decay=5e-4)
optim_wrapper = dict(
    localizer=dict(
        optimizer=dict(_delete_=True, **optimizer),
        paramwise_cfg=dict(new_layers=('head', ), legacy_momentum=True)),
    adversary=dict(
        optimizer=dict(_delete_=True, **optimizer),
        paramwise_cfg=dict(new_layers=('networks.adversary.head', ), legacy_momentum=True)))
param_scheduler = [
    dict(type='MaxStepPolyLR', power=0.9, by_epoch=True, convert_to_iter_based=True)
]
train_cfg = dict(max_epochs=15)

pipeline = dict(
    baseline='configs/eader/psa_r38_voc.py',
    segment=dict(config='configs/deeplab/deeplabv3plus_x65_voc.py'))
