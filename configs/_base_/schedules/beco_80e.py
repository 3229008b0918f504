# BECO as KTSE uses it: 80 epochs (100 in its code), poly 0.9 down to 1e-5, two epochs before the
# models label images themselves (1 in BECO).
train_cfg = dict(type='WSSSTrainLoop', max_epochs=80, val_interval=20)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')
param_scheduler = [
    dict(type='PolyLR', eta_min=1e-5, power=0.9, by_epoch=True, convert_to_iter_based=True),
]
default_hooks = dict(
    timer=dict(type='IterTimerHook'),
    logger=dict(type='LoggerHook', interval=50),
    param_scheduler=dict(type='ParamSchedulerHook'),
    checkpoint=dict(type='WSSSCheckpointHook', interval=5, max_keep_ckpts=1),
    sampler_seed=dict(type='DistSamplerSeedHook'))
custom_hooks = [dict(type='CoTrainingHook', warm_up=2)]
