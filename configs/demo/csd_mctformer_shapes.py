# CSD on mctformer_shapes.py, whose masks are the prior.
_base_ = './mctformer_shapes.py'

csd = dict(
    type='CrossDomainDecoupling', variant='confident', fg_weight=1., bg_weight=0.1,
    begin=_base_.begin)
model = dict(head=dict(detach_patch=False), modules=[csd])
train_dataloader = dict(
    dataset=dict(prior_dir='prior_masks', views=[dict(type='CrossDomainView', begin=_base_.begin)]))
pipeline = dict(prior='configs/demo/mctformer_shapes.py')
