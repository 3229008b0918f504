# DeepLab-LargeFOV on VGG16 at output stride 8: fc6 (rate 12) and fc7 are part of the backbone, the
# head is the classifier alone. 1x/2x groups for the pretrained layers, 10x/20x for fc6, fc7 and the
# classifier, which are new.
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
    constructor='WSSSOptimWrapperConstructor',
    optimizer=dict(type='SGD', lr=1e-3, momentum=0.9, weight_decay=5e-4),
    paramwise_cfg=dict(new_layers=('backbone.fc6', 'backbone.fc7', 'decode_head')))
