# Single-scale map matching: the CAM of the image to the mean of the teacher's over the scales,
# without attention. Published seed: 51.0 (56.7 with CRF).
_base_ = './rcm-mam-crf_r38_voc.py'

model = dict(modules=[dict(type='MultiScaleAttention', begin=6, variant='smm')])
