# CSD on seam_mobilenet.py, whose masks are the prior; same images and epochs, it acts from epoch
# 3 on.
_base_ = './seam_mobilenet.py'

csd = dict(
    type='CrossDomainDecoupling', variant='confident', fg_weight=1., bg_weight=0.1, begin=3)
model = dict(modules=[_base_.seam, csd])
load, *rest = _base_.train_pipeline
mix_pipeline = [load, dict(type='LoadMask', key='prior_mask'), *rest]
single_dataset = dict(_base_.train_dataloader.dataset, prior_dir='prior_masks')
train_dataloader = dict(
    dataset=dict(
        _delete_=True,
        type='CrossDomainDataset',
        dataset=single_dataset,
        mix_pipeline=mix_pipeline,
        begin=3))

pipeline = dict(
    _delete_=True,
    prior='projects/voc_animals/configs/seam_mobilenet.py',
    cam=_base_.cam,
    mask=_base_.mask,
    segment=_base_.segment)
