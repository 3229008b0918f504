# CSD on ktse-code_voc6.py, whose masks are the prior.
_base_ = './ktse-code_voc6.py'

csd = dict(
    type='CrossDomainDecoupling', variant='confident', fg_weight=1., bg_weight=0.1,
    **_base_.rise)
model = dict(modules=[_base_.sie, _base_.ssr, _base_.mga, csd])
train_dataloader = dict(
    dataset=dict(prior_dir='prior_masks', views=[
        dict(type='PairedView'), dict(type='CrossDomainView')]))
pipeline = dict(
    prior='projects/voc_animals/configs/ktse-code_voc6.py',
    baseline='projects/voc_animals/configs/ktse-code_voc6.py')
