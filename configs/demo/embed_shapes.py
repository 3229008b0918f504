# The baseline of rcm-mam_shapes.py: its network with the classification loss only.
_base_ = './rcm-mam_shapes.py'

model = dict(teacher=False, modules=[])
train_cfg = dict(ema=None)
pipeline = dict(baseline=None)
