# CSD on sipe_shapes.py, whose masks are the prior.
_base_ = './sipe_shapes.py'

csd = dict(
    type='CrossDomainDecoupling', variant='confident', fg_weight=1., bg_weight=0.1,
    teacher='student', begin=_base_.begin)
model = dict(modules=[_base_.sipe, csd])
train_dataloader = dict(
    dataset=dict(prior_dir='prior_masks', views=[dict(type='CrossDomainView', begin=_base_.begin)]))
pipeline = dict(prior='configs/demo/sipe_shapes.py')
