# DeepLab-LargeFOV on VGG16 at output stride 8: fc6 (rate 12) and fc7 are part of the backbone, the
# head is the classifier alone. 1x/2x groups for the pretrained layers, 10x/20x for the classifier.
_base_ = './segmentor.py'

model = dict(
    backbone=dict(
        type='VGG16LargeFOV',
        init_cfg=dict(type='Pretrained', checkpoint='pretrain/vgg16.pth')),
    decode_head=dict(
        type='mmseg.FCNHead', in_channels=1024, channels=1024, in_index=0, num_convs=0,
        concat_input=False, dropout_ratio=0, num_classes=21,
        loss_decode=dict(type='mmseg.CrossEntropyLoss', avg_non_ignore=True)))

optim_wrapper = dict(
    type='OptimWrapper',
    optimizer=dict(type='SGD', lr=1e-3, momentum=0.9, weight_decay=5e-4),
    paramwise_cfg=dict(
        bias_lr_mult=2.,
        bias_decay_mult=0.,
        custom_keys={
            'decode_head': dict(lr_mult=10.),
            'decode_head.conv_seg.bias': dict(lr_mult=20., decay_mult=0.),
        }))
