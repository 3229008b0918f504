# CSD (BMVC 2023) on IRN's classifier. Published on VOC train: seed 50.6 (48.3 without), mask (IRN)
# 68.2 mIoU; val/test 64.9/66.1 with DeepLabV2-R50. There is no code of this variant: the mixed
# images take the crops of the base.
#
# Needs prior masks of the training images. tools/run_pipeline.py has the base make them and sets
# prior_dir; alone, give <data_root>/prior_masks/<id>.png.
_base_ = '../irn/irn_r50_voc.py'

csd = dict(type='CrossDomainDecoupling', fg_weight=0.01, bg_weight=0.1)
model = dict(modules=[csd])

train_dataloader = dict(
    dataset=dict(prior_dir='prior_masks', views=[dict(type='CrossDomainView')]))
pipeline = dict(prior='configs/irn/irn_r50_voc.py')
