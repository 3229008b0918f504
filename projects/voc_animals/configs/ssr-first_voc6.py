# SSR by labels that are made of the first phase's CAM, and so stay: a teacher that hardly moves.
# Both terms of eq. 5 have full weight, and the seeds are the scores that it trains.
_base_ = './gpp_voc6.py'
custom_imports = dict(imports=['projects.voc_animals.pixel_scores'], allow_failed_imports=False)

ssr = dict(
    type='SelfSupervisedRegularization', teacher='teacher', low=0.05, fg_weight=1.,
    complex_fg=True, inter_weight=0, relu_cam=True, relu_logits=False, **_base_.rise)
model = dict(head=dict(type='PixelScoreHead'), teacher=True, modules=[ssr])
train_cfg = dict(ema=dict(momentum=0.9999))
