# CSD on sipe_voc6.py, whose masks are the prior.
_base_ = './sipe_voc6.py'

csd = dict(
    type='CrossDomainDecoupling', variant='confident', fg_weight=1., bg_weight=0.1,
    **_base_.rise)
model = dict(modules=[_base_.sipe, csd])
train_dataloader = dict(
    dataset=dict(prior_dir='prior_masks', views=[dict(type='CrossDomainView')]))
pipeline = dict(
    prior='projects/voc_animals/configs/sipe_voc6.py',
    baseline='projects/voc_animals/configs/sipe_voc6.py')
