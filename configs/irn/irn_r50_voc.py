# IRN (CVPR 2019): its CAM classifier on ResNet-50. Published on VOC train: seed 48.3, mask (IRN)
# 66.5 mIoU; val/test 63.5/64.8 with DeepLabV2-R50. The boundary network that refines the seeds is
# configs/irn/irnet_r50_voc.py.
_base_ = [
    '../_base_/models/irn_r50.py',
    '../_base_/datasets/voc12_wsss.py',
    '../_base_/augmentations/irn.py',
    '../_base_/schedules/poly_5e.py',
    '../_base_/refiners/irn.py',
    '../_base_/default_runtime.py',
]

model = dict(test_cfg=dict(scales=(1.0, 0.5, 1.5, 2.0), flip=True))

# Batch norms decay as well, as in the released code.
optim_wrapper = dict(paramwise_cfg=dict(decay_all=True))
train_dataloader = dict(batch_size=16, dataset=dict(pipeline=_base_.augmentation))
pipeline = dict(segment=dict(config='configs/deeplab/deeplabv2_r50_voc_msc-crf.py'))
