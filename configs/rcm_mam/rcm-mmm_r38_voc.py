# RCM with multi-scale map matching. Published seed: 62.6 (66.6 with CRF).
_base_ = './rcm-mam-crf_r38_voc.py'

model = dict(modules=[
    dict(type='RegionalContrast'),
    dict(type='MultiScaleAttention', begin=6, variant='mmm'),
])
