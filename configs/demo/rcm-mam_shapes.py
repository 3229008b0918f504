# RCM + MAM on Shapes, at scales that a CPU can afford. The teacher's momentum suits 400 steps.
# embed_shapes.py is the baseline.
_base_ = './cam_shapes.py'

epochs = 16
multi_scale = dict(scales=(0.5, 1., 1.5))
rcm = dict(type='RegionalContrast', num_classes=6, embed_channels=64, **multi_scale)
mam = dict(type='MultiScaleAttention', begin=5, **multi_scale)
model = dict(head=dict(embed_channels=64), teacher=True, modules=[rcm, mam])
param_scheduler = [
    dict(type='LinearLR', start_factor=0.1, begin=0, end=25, by_epoch=False),
    dict(type='PolyLR', power=0.9, eta_min=1e-5, begin=1, end=epochs, by_epoch=True,
         convert_to_iter_based=True),
]
train_cfg = dict(max_epochs=epochs, val_begin=epochs, ema=dict(momentum=0.98))
pipeline = dict(baseline='configs/demo/embed_shapes.py')
