# CSD on sipe_mobilenet.py, whose masks are the prior; same images and epochs, it acts from epoch
# 3 on.
_base_ = './sipe_mobilenet.py'

csd = dict(
    type='CrossDomainDecoupling', variant='confident', fg_weight=1., bg_weight=0.1, begin=3)
model = dict(modules=[_base_.sipe, csd])
train_dataloader = dict(
    dataset=dict(prior_dir='prior_masks', views=[dict(type='CrossDomainView', begin=3)]))

pipeline = dict(prior='projects/voc_animals/configs/sipe_mobilenet.py')
