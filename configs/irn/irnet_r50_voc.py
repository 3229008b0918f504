# IRN's boundary network on VOC: 3 epochs of batch 32.
_base_ = [
    '../_base_/models/irnet_r50.py',
    '../_base_/datasets/voc12_wsss.py',
    '../_base_/default_runtime.py',
]

train_dataloader = _base_.irn_loader
val_cfg = val_dataloader = val_evaluator = None
test_cfg = test_dataloader = test_evaluator = None
