# Multi-scale map matching: MAM without attention. Published seed: 57.0 (62.2 with CRF).
_base_ = './rcm-mam-crf_r38_voc.py'

model = dict(modules=[dict(type='MultiScaleAttention', begin=6, variant='mmm')])
