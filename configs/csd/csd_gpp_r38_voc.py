# CSD on the gated pyramid pooling baseline of KTSE, a combination that no paper has.
#
# Needs prior masks of the training images. tools/run_pipeline.py has the base make them and sets
# prior_dir; alone, give <data_root>/prior_masks/<id>.png.
_base_ = '../ktse/gpp_r38_voc.py'

model = dict(modules=[dict(type='CrossDomainDecoupling', fg_weight=0.01, bg_weight=0.1)])

train_dataloader = dict(
    dataset=dict(prior_dir='prior_masks', views=[dict(type='CrossDomainView')]))
pipeline = dict(prior='configs/ktse/gpp_r38_voc.py')
