# CSD (BMVC 2023) on IRN's classifier. Published on VOC train: seed 50.6 (48.3 without), mask (IRN) 68.2
# mIoU; val/test 64.9/66.1 with DeepLabV2-R50. There is no code of this variant: the mixed pictures take
# the crops of the base.
#
# Needs prior masks of the training pictures, made by the base: the pipeline's stage `prior`.
_base_ = '../irn/irn_r50_voc.py'

csd = dict(type='CrossDomainDecoupling', fg_weight=0.01, bg_weight=0.1)
model = dict(modules=[csd])

prior_dir = 'prior_masks'  # relative to data_root unless absolute
load, *rest = _base_.train_pipeline
mix_pipeline = [load, dict(type='LoadMask', key='prior_mask'), *rest]
single_dataset = dict(_base_.train_dataloader.dataset, prior_dir=prior_dir)
train_dataloader = dict(
    dataset=dict(
        _delete_=True,
        type='CrossDomainDataset',
        dataset=single_dataset,
        mix_pipeline=mix_pipeline))
