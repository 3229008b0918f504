# RCM with one network instead of an EMA teacher. Published seed: 53.7.
_base_ = './rcm-mam-crf_r38_voc.py'

model = dict(teacher=False, modules=[dict(type='RegionalContrast', support='student')])
train_cfg = dict(ema=None)
