# EADER on its own: ResNet-101 localizer with Grad-CAM, ResNet-18 adversary. Published on VOC *val*
# (other papers score seeds on train), threshold .3, six runs: mIoU 43.89 +- .40, precision 54.78,
# recall 68.13 without the background.
_base_ = [
    '../_base_/datasets/voc12_wsss.py',
    '../_base_/schedules/adversarial_10e.py',
    '../_base_/default_runtime.py',
]

num_classes = 20
model = dict(
    type='WSSSClassifier',
    # Torchvision's networks; batch norms of both train, in both phases.
    backbone=dict(
        type='mmpretrain.ResNet',
        depth=101,
        out_indices=(3, ),
        style='pytorch',
        init_cfg=dict(type='Pretrained', checkpoint='torchvision://resnet101')),
    head=dict(
        type='GAPHead',
        num_classes=num_classes,
        in_channels=2048,
        bias=True,
        # As a fresh linear layer of torch starts.
        init_cfg=dict(type='Uniform', layer='Conv2d', a=-2048**-.5, b=2048**-.5)),
    networks=dict(
        adversary=dict(
            type='CAMNetwork',
            backbone=dict(
                type='mmpretrain.ResNet',
                depth=18,
                out_indices=(3, ),
                style='pytorch',
                init_cfg=dict(type='Pretrained', checkpoint='torchvision://resnet18')),
            head=dict(
                type='GAPHead',
                num_classes=num_classes,
                in_channels=512,
                bias=True,
                init_cfg=dict(type='Uniform', layer='Conv2d', a=-512**-.5, b=512**-.5)))),
    modules=[dict(type='AdversarialErasing', alpha=0.05, beta=1e-5)],
    cam=dict(type='GradCAM'),
    # One scale, the original size, maps from minimum to maximum.
    test_cfg=dict(scales=(1., ), flip=False, norm='minmax'))

# The labels are those of the whole image although a crop may not show all of them.
train_pipeline = [
    dict(type='LoadImage'),
    dict(type='RandomResizedCrop', size=448),
    dict(type='RandomFlip', prob=0.5),
    dict(type='PackWSSSInputs'),
]
train_dataloader = dict(batch_size=16, dataset=dict(pipeline=train_pipeline))
val_dataloader = dict(dataset=dict(ann_file='ImageSets/Segmentation/val.txt'))
test_dataloader = val_dataloader
val_evaluator = dict(type='SeedMetric', thresholds=None, fixed=0.3)
test_evaluator = val_evaluator

pipeline = dict(mask=dict(type='ThresholdMask', bg=0.3))
