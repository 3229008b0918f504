# The first phase of all methods: plain CAM on EfficientNet-Lite0 of timm, all images of train_aug,
# three epochs. Its head has the embedding and the background score of KTSE and RCM, so that all
# methods can go on from it; the latter learns nothing here. The weights are made by
#   python tools/model_converters/efficientnet_lite_to_timm.py efficientnet_lite0_imagenet.pth \
#       pretrain/efficientnet_lite0_timm.pth
_base_ = './voc6.py'

weights = 'pretrain/efficientnet_lite0_timm.pth'
model = dict(
    type='WSSSClassifier',
    data_preprocessor=dict(
        type='WSSSDataPreprocessor', mean=[127.5] * 3, std=[127.5] * 3, bgr_to_rgb=True,
        channels_last=True),
    backbone=dict(
        type='TimmBackbone',
        model='tf_efficientnet_lite0',
        output_stride=16,
        frozen_stages=2,
        init_cfg=dict(type='Pretrained', checkpoint=weights)),
    head=dict(
        type='GAPHead', num_classes=6, in_channels=1280, embed_channels=256, background=True),
    modules=[])

optim_wrapper = dict(
    type='OptimWrapper',
    optimizer=dict(type='SGD', lr=0.003, momentum=0.9, weight_decay=1e-4),
    # Not `head`: the backbone has a conv_head.
    paramwise_cfg=dict(custom_keys={
        'head.embed': dict(lr_mult=10.), 'head.classifier': dict(lr_mult=10.)}))
param_scheduler = dict(
    type='PolyLR', power=0.9, eta_min=0., stretch=1, by_epoch=True, convert_to_iter_based=True)
