# RCM + MAM on Shapes, at scales that a CPU can afford. The teacher's momentum suits 600 steps. From
# scratch the classes must be learned before regions and targets mean anything, see cam_shapes.py.
# embed_shapes.py is the baseline.
_base_ = './cam_shapes.py'

multi_scale = dict(scales=(0.5, 1., 1.5), begin=_base_.begin, ramp=_base_.ramp)
rcm = dict(type='RegionalContrast', num_classes=6, embed_channels=64, **multi_scale)
mam = dict(type='MultiScaleAttention', **multi_scale)
model = dict(head=dict(embed_channels=64), teacher=True, modules=[rcm, mam])
train_cfg = dict(ema=dict(momentum=0.98))
pipeline = dict(baseline='configs/demo/embed_shapes.py')
