# CSD on the gated pyramid pooling baseline of KTSE, a combination that no paper has.
#
# Needs prior masks of the training pictures, made by the base: the pipeline's stage `prior`.
_base_ = '../ktse/gpp_r38_voc.py'

model = dict(modules=[dict(type='CrossDomainDecoupling', fg_weight=0.01, bg_weight=0.1)])

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
