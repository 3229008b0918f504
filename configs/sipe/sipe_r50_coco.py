# SIPE on COCO 2014 (80 classes). Published on val after the segmentation model: 40.6 (ResNet-101)
# and 43.6 (WideResNet-38).
_base_ = [
    '../_base_/models/sipe_r50.py',
    '../_base_/datasets/coco14_wsss.py',
    '../_base_/augmentations/irn.py',
    '../_base_/schedules/poly_5e.py',
    '../_base_/default_runtime.py',
]

model = dict(
    head=dict(num_classes=80),
    modules=[dict(type='ImageSpecificPrototypes')],
    test_cfg=dict(scales=(1.0, 0.5, 1.5, 2.0), flip=True))
optim_wrapper = dict(
    optimizer=dict(lr=0.05),
    paramwise_cfg=dict(decay_all=True),  # batch norms as well, as the released code
    clip_grad=dict(max_norm=1.))

train_dataloader = dict(batch_size=16, dataset=dict(pipeline=_base_.augmentation))

# As the authors: CRF in place of IRN.
pipeline = dict(
    mask=dict(type='CRFMask', bg='own', preset='irn_label', unary='labels'),
    segment=dict(config='configs/deeplab/deeplabv2_r101_coco_msc-crf.py'))
