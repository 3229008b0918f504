# Plain CAM (global average pooling) on EfficientNet-Lite0 of timm, all images of train_aug, three
# epochs of SGD at crop 224: the first phase of two_phase.py. Its head has the embedding and the
# background channel of KTSE and RCM, so that all methods can go on from it; the latter learns
# nothing here. The weights are made by
#   python tools/model_converters/efficientnet_lite_to_timm.py efficientnet_lite0_imagenet.pth \
#       pretrain/efficientnet_lite0_timm.pth
_base_ = './gpp_mobilenet.py'

weights = 'pretrain/efficientnet_lite0_timm.pth'
crop = 224

model = dict(
    data_preprocessor=dict(channels_last=True),
    backbone=dict(
        _delete_=True,
        type='TimmBackbone',
        model='tf_efficientnet_lite0',
        output_stride=16,
        frozen_stages=2,
        init_cfg=dict(type='Pretrained', checkpoint=weights)),
    head=dict(_delete_=True, type='GAPHead', num_classes=6, in_channels=1280, embed_channels=256,
              background=True))

train_pipeline = [
    dict(type='LoadImage'),
    dict(type='ResizeLong', long=(224, 384)),
    dict(type='RandomFlip', prob=0.5),
    dict(type='RandomPadCrop', size=crop),
    dict(type='PackWSSSInputs'),
]
train_dataloader = dict(dataset=dict(indices=None, pipeline=train_pipeline))

optim_wrapper = dict(
    optimizer=dict(_delete_=True, type='SGD', lr=0.003, momentum=0.9, weight_decay=1e-4),
    # Not `head`: the backbone has a conv_head.
    paramwise_cfg=dict(custom_keys={
        'head.embed': dict(lr_mult=10.), 'head.classifier': dict(lr_mult=10.), '_delete_': True}))
param_scheduler = dict(stretch=1)
train_cfg = dict(max_epochs=3)

cam = dict(scales=(1.0, ), flip=True, batch_size=8)
segment = dict(config='projects/voc_animals/configs/deeplabv2_mobilenet.py')
pipeline = dict(cam=cam)
