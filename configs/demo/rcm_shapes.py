# RCM on Shapes.
_base_ = './rcm-mam_shapes.py'

model = dict(modules=[_base_.rcm])
