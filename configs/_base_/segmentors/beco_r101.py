# Two DeepLabV2 on ResNet-101 that BECO trains together: trainable batch norm, crop 512.
_base_ = './deeplabv2_r101.py'

model = dict(
    type='BECOSegmentor',
    data_preprocessor=dict(size=(512, 512)),
    backbone=dict(norm_cfg=dict(requires_grad=True), norm_eval=False),
    train_scales=())

# One rate for all layers.
optim_wrapper = dict(
    _delete_=True,
    type='OptimWrapper',
    optimizer=dict(type='SGD', lr=1e-2, momentum=0.9, weight_decay=1e-4))
