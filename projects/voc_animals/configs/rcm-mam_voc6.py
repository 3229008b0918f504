# RCM + MAM. The budget has two scales; the teacher's momentum suits some hundred steps.
_base_ = './gap_voc6.py'

scales = (0.5, 1.)
rcm = dict(
    type='RegionalContrast', num_classes=6, embed_channels=256, scales=scales, **_base_.rise)
mam = dict(type='MultiScaleAttention', scales=scales, **_base_.rise)
model = dict(teacher=True, modules=[rcm, mam])
train_cfg = dict(ema=dict(momentum=0.98))
pipeline = dict(baseline='projects/voc_animals/configs/gap_voc6.py')
