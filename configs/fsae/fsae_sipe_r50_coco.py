# FSAE on SIPE, COCO 2014. Published on val: 39.5 with DeepLabV2-R101. The epochs are SIPE's on
# COCO, since the paper names none; the masks are made as those of FSAE on PPC with EPS.
_base_ = '../sipe/sipe_r50_coco.py'

sipe = dict(type='ImageSpecificPrototypes')
fsae = dict(type='FeatureSpatialActivationExpansion', background='one_minus_max', temperature=0.1)
model = dict(modules=[sipe, fsae])

# The source view has colour jitter, which SIPE has not; the strong view draws its own.
jitter = dict(brightness=0.3, contrast=0.3, saturation=0.3, hue=0.1)
strong = dict(type='StrongView', jitter=jitter, num_ops=3)
*geometry, pack = _base_.augmentation
train_dataloader = dict(
    dataset=dict(pipeline=[*geometry, strong, dict(type='ColorJitter', **jitter), pack]))
pipeline = dict(
    baseline='configs/sipe/sipe_r50_coco.py',
    mask=dict(_delete_=True, type='CRFMask', alpha=8, preset='eps'),
    segment=dict(config='configs/deeplab/deeplabv2_r101_coco_msc-crf.py'))
