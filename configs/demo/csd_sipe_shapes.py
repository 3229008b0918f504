# CSD on sipe_shapes.py, whose masks are the prior.
_base_ = './sipe_shapes.py'

csd = dict(
    type='CrossDomainDecoupling', variant='confident', fg_weight=1., bg_weight=0.1,
    teacher='student', begin=16)
model = dict(modules=[_base_.sipe, csd])
load, *rest = _base_.train_pipeline
mix_pipeline = [load, dict(type='LoadMask', key='prior_mask'), *rest]
single_dataset = dict(_base_.train_dataloader.dataset, prior_dir='prior_masks')
train_dataloader = dict(
    dataset=dict(
        _delete_=True,
        type='CrossDomainDataset',
        dataset=single_dataset,
        mix_pipeline=mix_pipeline,
        begin=16))
pipeline = dict(prior='configs/demo/sipe_shapes.py')
