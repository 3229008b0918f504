# BECO on COCO as KTSE uses it: 40 epochs.
_base_ = './beco_80e.py'

train_cfg = dict(max_epochs=40)
