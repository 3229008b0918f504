# RCM + MAM on Shapes, at scales that a CPU can afford. The teacher's momentum suits 600 steps.
_base_ = './cam_shapes.py'

multi_scale = dict(scales=(0.5, 1., 1.5))
rcm = dict(type='RegionalContrast', num_classes=6, embed_channels=64, **multi_scale)
mam = dict(type='MultiScaleAttention', begin=7, **multi_scale)
model = dict(head=dict(embed_channels=64), teacher=True, modules=[rcm, mam])
train_cfg = dict(ema=dict(momentum=0.98))
pipeline = dict(baseline='configs/demo/embed_shapes.py')
