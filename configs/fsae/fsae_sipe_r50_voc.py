# FSAE (WACV 2025) on SIPE. Published on VOC train: seed 61.1 (SIPE 58.6), mask (CRF) 70.5 mIoU;
# val/test 69.9/71.2 with the wseg code base's DeepLabV2-R101, 70.3/72.6 with V1
# (fsae_sipe_r50_voc_deeplabv1.py).
#
# The paper does not say how SIPE's CAM becomes a probability with a background; see `background` in
# FeatureSpatialActivationExpansion for what is done here.
_base_ = '../sipe/sipe_r50_voc.py'

fsae = dict(type='FeatureSpatialActivationExpansion', background='one_minus_max', temperature=0.1)
model = dict(modules=[_base_.sipe, fsae])

# The source view has colour jitter, which SIPE has not; the strong view draws its own.
jitter = dict(brightness=0.3, contrast=0.3, saturation=0.3, hue=0.1)
strong = dict(type='StrongView', jitter=jitter, num_ops=3)
*geometry, pack = _base_.augmentation
train_dataloader = dict(
    dataset=dict(pipeline=[*geometry, strong, dict(type='ColorJitter', **jitter), pack]))

train_cfg = dict(max_epochs=10)
# The paper's masks come from dense CRF; the background is SIPE's own.
pipeline = dict(
    affinity=None,
    baseline='configs/sipe/sipe-10e_r50_voc.py',
    mask=dict(_delete_=True, type='CRFMask', bg='own', preset='eps'),
    segment=dict(config='configs/deeplab/deeplabv2-aspp_r101_voc_msc-crf.py'))
