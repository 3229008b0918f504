# The bound of SSR: the ground truth of all training images for labels. No WSSS method.
_base_ = './gpp_voc6.py'
custom_imports = dict(
    imports=['projects.voc_animals.labels', 'projects.voc_animals.pixel_scores'],
    allow_failed_imports=False)

ssr = dict(
    type='TrueLabels', fg_weight=1., complex_fg=True, inter_weight=0, relu_logits=False,
    **_base_.rise)
model = dict(head=dict(type='PixelScoreHead'), modules=[ssr])
load, *others = _base_.train_pipeline
train_dataloader = dict(dataset=dict(pipeline=[load, dict(type='LoadMask'), *others]))
