# MAM without RCM. Published seed: 58.0 (63.4 with CRF).
_base_ = './rcm-mam-crf_r38_voc.py'

model = dict(modules=[dict(type='MultiScaleAttention', begin=6)])
