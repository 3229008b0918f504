# RCM + MAM, same images and epochs as embed_mobilenet.py. The budget has two scales; the
# teacher's momentum suits some hundred steps.
_base_ = './gap_mobilenet.py'

multi_scale = dict(scales=(0.5, 1.), begin=3)
rcm = dict(type='RegionalContrast', num_classes=6, embed_channels=128, **multi_scale)
mam = dict(type='MultiScaleAttention', **multi_scale)
model = dict(head=dict(embed_channels=128), teacher=True, modules=[rcm, mam])
train_cfg = dict(ema=dict(momentum=0.98))

pipeline = dict(
    baseline='projects/voc_animals/configs/embed_mobilenet.py',
    segment=None)
