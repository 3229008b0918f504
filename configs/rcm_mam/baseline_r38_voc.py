# The baseline of RCM + MAM: classification only. Published seed: 48.4 (54.4 with CRF).
_base_ = './rcm-mam-crf_r38_voc.py'

model = dict(teacher=False, modules=[])
train_cfg = dict(ema=None)
