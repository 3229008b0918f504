# The field's training by iterations.
_base_ = ['./poly.py', '../default_runtime.py']

train_cfg = dict(max_epochs=None, max_iters=20000)
param_scheduler = [dict(type='MaxStepPolyLR', power=0.9, by_epoch=False)]
default_hooks = dict(
    checkpoint=dict(by_epoch=False, interval=5000), logger=dict(log_metric_by_epoch=False))
log_processor = dict(by_epoch=False)
