# RCM alone.
_base_ = './rcm-mam_mobilenet.py'

model = dict(modules=[_base_.rcm])
