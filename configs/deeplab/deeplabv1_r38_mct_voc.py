# DeepLabV1 on ResNet38, VOC 2012, as MCTformer and CSD train it: 30 epochs (79,350 steps) of batch
# 4, crop 321, from a PSA classifier's weights. By the "optimizer without momentum"
# (docs/reproduce.md) the momentum is 1e-5, and there is no weight decay. Padding counts as
# background, as there.
_base_ = './deeplabv1_r38_voc.py'

crop_size = (321, 321)
model = dict(
    data_preprocessor=dict(size=crop_size, seg_pad_val=0),
    backbone=dict(init_cfg=dict(checkpoint='pretrain/res38_cls.pth')),
    decode_head=dict(
        _delete_=True, type='LargeFOVHead', in_channels=4096, in_index=0, num_classes=21))

optim_wrapper = dict(
    optimizer=dict(lr=7e-4, momentum=1e-5, weight_decay=0.),
    paramwise_cfg=dict(bias_lr_mult=1.))

train_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='LoadPseudoMask'),
    dict(type='RandomScale', ratio=(0.7, 1.3), interpolation='bilinear'),
    dict(type='mmseg.RandomCrop', crop_size=crop_size),
    dict(type='mmseg.RandomFlip', prob=0.5),
    dict(type='mmseg.PackSegInputs'),
]
train_dataloader = dict(batch_size=4, dataset=dict(pipeline=train_pipeline))

train_cfg = dict(max_iters=79350)
