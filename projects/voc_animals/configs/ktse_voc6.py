# KTSE; ktse-code_voc6.py has the settings of the released code. SSR has labels that are made of the
# first phase's CAM, and so stay: a teacher that hardly moves. Both terms of eq. 5 have full weight,
# and the seeds are the scores that they train.
_base_ = './ktse-code_voc6.py'
custom_imports = dict(imports=['projects.voc_animals.pixel_scores'], allow_failed_imports=False)

ssr = dict(
    _base_.ssr, teacher='teacher', low=0.05, fg_weight=1., complex_fg=True, relu_cam=True,
    relu_logits=False)
model = dict(
    head=dict(type='PixelScoreHead'), teacher=True, modules=[_base_.sie, ssr, _base_.mga])
train_cfg = dict(ema=dict(momentum=0.9999))
pipeline = dict(mask=dict(bg='own'))
