# The baseline of RCM + MAM: its network with the classification loss only.
_base_ = './rcm-mam_mobilenet.py'

model = dict(teacher=False, modules=[])
train_cfg = dict(ema=None)
pipeline = dict(baseline=None)
