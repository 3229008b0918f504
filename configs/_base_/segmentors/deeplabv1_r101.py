# DeepLabV1 (large field of view) on ResNet-101 at output stride 8, after the wseg code base: batch
# norm by the batch's statistics but with fixed scale and shift (they are in no parameter group
# there), one image scale in training, 1x/2x/10x/20x groups at rate 1e-3.
_base_ = './segmentor.py'

model = dict(
    data_preprocessor=dict(size=(448, 448)),
    backbone=dict(
        type='DeepLabResNet',
        depth=101,
        out_indices=(3,),
        strides=(1, 2, 1, 1),
        dilations=(1, 1, 2, 4),
        norm_cfg=dict(type='BN', requires_grad=False),
        norm_eval=False,
        style='pytorch',
        init_cfg=dict(type='Pretrained', checkpoint='pretrain/resnet101.pth')),
    decode_head=dict(
        type='DeepLabV1Head', in_channels=2048, in_index=0, num_classes=21, align_corners=True,
        norm_cfg=dict(type='BN', requires_grad=False, momentum=3e-4)))

optim_wrapper = dict(
    type='OptimWrapper',
    constructor='WSSSOptimWrapperConstructor',
    optimizer=dict(type='SGD', lr=1e-3, momentum=0.9, weight_decay=5e-4),
    paramwise_cfg=dict(new_layers=('decode_head', )))
