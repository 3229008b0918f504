# SIPE (CVPR 2022) on ResNet-50. Published on VOC train: seed 58.6, mask (IRN) 69.3 mIoU (64.7 with
# CRF); val/test 68.8/69.7 with DeepLabV2-R101 from COCO segmentation weights.
#
# Inference scores the background by a prototype of its own, so the released code searches no
# threshold: argmax for the seeds, and for IRN with the background times 1 and .5.
# Rate .05 is that of the authors' log of the submitted model; the repository's default is .1.
_base_ = [
    '../_base_/models/sipe_r50.py',
    '../_base_/datasets/voc12_wsss.py',
    '../_base_/augmentations/irn.py',
    '../_base_/schedules/poly_5e.py',
    '../_base_/refiners/irn.py',
    '../_base_/default_runtime.py',
]

sipe = dict(type='ImageSpecificPrototypes')
model = dict(modules=[sipe], test_cfg=dict(scales=(1.0, 0.5, 1.5, 2.0), flip=True))
optim_wrapper = dict(
    optimizer=dict(lr=0.05),
    paramwise_cfg=dict(decay_all=True),  # batch norms as well, as the released code
    clip_grad=dict(max_norm=1.))

train_dataloader = dict(batch_size=16, dataset=dict(pipeline=_base_.augmentation))

pipeline = dict(
    affinity=dict(labels=dict(fg='own', bg='own', bg_factor=0.5)),
    mask=dict(bg='own', power=1.5),
    segment=dict(config='configs/deeplab/deeplabv2_r101_voc_coco-init_msc-crf.py'))
