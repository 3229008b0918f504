# AffinityNet on VOC: 8 epochs of batch 8.
_base_ = [
    '../_base_/models/affinity_r38.py',
    '../_base_/datasets/voc12_wsss.py',
    '../_base_/schedules/poly_8e.py',
    '../_base_/default_runtime.py',
]

train_dataloader = _base_.affinity_loader
optim_wrapper = dict(paramwise_cfg=dict(new_layers=('reduce', 'fuse')))
val_cfg = val_dataloader = val_evaluator = None
test_cfg = test_dataloader = test_evaluator = None
