# DeepLabV2 on ResNet-101 at output stride 8, after deeplab-pytorch: constant dilation in a stage,
# frozen batch norm, sum of four dilated classifiers, MSC training (the image also at .75 and .5,
# and the maximum of the three). ImageNet weights; some papers start from COCO *segmentation*
# weights instead, which have seen ground truth.
_base_ = './segmentor.py'

model = dict(
    backbone=dict(
        type='DeepLabResNet',
        depth=101,
        out_indices=(3,),
        strides=(1, 2, 1, 1),
        dilations=(1, 1, 2, 4),
        contract_dilation=False,
        norm_cfg=dict(type='BN', requires_grad=False),
        norm_eval=True,
        style='pytorch',
        init_cfg=dict(type='Pretrained', checkpoint='pretrain/resnet101.pth')),
    decode_head=dict(
        type='DeepLabV2Head', in_channels=2048, in_index=0, num_classes=21,
        dilations=(6, 12, 18, 24)),
    train_scales=(0.75, 0.5))

# SGD; classifier weights 10 times the rate, its biases 20 times and without decay.
optim_wrapper = dict(
    type='OptimWrapper',
    optimizer=dict(type='SGD', lr=2.5e-4, momentum=0.9, weight_decay=5e-4),
    paramwise_cfg=dict(
        custom_keys={
            'decode_head': dict(lr_mult=10.),
            'decode_head.branches.0.bias': dict(lr_mult=20., decay_mult=0.),
            'decode_head.branches.1.bias': dict(lr_mult=20., decay_mult=0.),
            'decode_head.branches.2.bias': dict(lr_mult=20., decay_mult=0.),
            'decode_head.branches.3.bias': dict(lr_mult=20., decay_mult=0.),
        }))
