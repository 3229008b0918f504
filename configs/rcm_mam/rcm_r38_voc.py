# RCM without MAM. Published seed: 57.6 (62.8 with CRF).
_base_ = './rcm-mam-crf_r38_voc.py'

model = dict(modules=[dict(type='RegionalContrast')])
