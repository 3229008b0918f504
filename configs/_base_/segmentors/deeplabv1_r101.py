# DeepLabV1 (large field of view) on ResNet-101 at output stride 8, after the wseg code base:
# trainable batch norm, one image scale in training, 1x/2x/10x/20x groups at rate 1e-3.
_base_ = './segmentor.py'

model = dict(
    data_preprocessor=dict(size=(448, 448)),
    backbone=dict(
        type='mmseg.ResNet',
        depth=101,
        out_indices=(3,),
        strides=(1, 2, 1, 1),
        dilations=(1, 1, 2, 4),
        norm_cfg=dict(type='BN', requires_grad=True),
        norm_eval=False,
        style='pytorch',
        init_cfg=dict(type='Pretrained', checkpoint='pretrain/resnet101.pth')),
    decode_head=dict(
        type='DeepLabV1Head', in_channels=2048, in_index=0, num_classes=21, channels=512,
        dilation=12, dropout_ratio=0.5))

optim_wrapper = dict(
    type='OptimWrapper',
    optimizer=dict(type='SGD', lr=1e-3, momentum=0.9, weight_decay=5e-4),
    paramwise_cfg=dict(
        custom_keys={
            'decode_head': dict(lr_mult=10.),
            'decode_head.conv_seg.bias': dict(lr_mult=20., decay_mult=0.),
            'decode_head.convs.0.bn.bias': dict(lr_mult=20., decay_mult=0.),
            'decode_head.convs.1.bn.bias': dict(lr_mult=20., decay_mult=0.),
        }))
