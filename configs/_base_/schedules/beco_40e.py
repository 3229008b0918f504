# BECO on COCO as KTSE uses it: 40 epochs.
_base_ = './beco_80e.py'

train_cfg = dict(max_epochs=40)
param_scheduler = [
    dict(type='PolyLR', eta_min=1e-5, power=0.9, begin=0, end=40, by_epoch=True,
         convert_to_iter_based=True),
]
