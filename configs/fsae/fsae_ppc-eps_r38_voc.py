# FSAE (WACV 2025) on PPC with EPS. Published on VOC train: seed 74.5, mask (CRF) 77.0 mIoU;
# val/test 74.4/75.0 with the wseg code base's DeepLabV2-R101, 73.7/75.3 with V1
# (fsae_ppc-eps_r38_voc_deeplabv1.py). Its baseline is ppc/ppc-eps-40k_r38_voc.py.
_base_ = '../ppc/ppc-eps-40k_r38_voc.py'

fsae = dict(type='FeatureSpatialActivationExpansion', tau_fae=0.95, tau_sae=0.8, kernel=3)
model = dict(modules=[_base_.seam, _base_.eps, _base_.ppc, fsae])

# Three operations gave the best row of the paper; the prototype's scripts use 5. Its strong view
# has a jitter of its own, so the weak view's comes after.
*geometry, jitter, pack = _base_.augmentation
strong = dict(
    type='StrongView',
    jitter=dict(brightness=0.3, contrast=0.3, saturation=0.3, hue=0.1),
    num_ops=3)
train_dataloader = dict(dataset=dict(pipeline=[*geometry, strong, jitter, pack]))
pipeline = dict(
    baseline='configs/ppc/ppc-eps-40k_r38_voc.py',
    segment=dict(config='configs/deeplab/deeplabv2-aspp_r101_voc_msc-crf.py'))
