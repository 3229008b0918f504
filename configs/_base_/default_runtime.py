# What every training of a classifier shares. A component of your own is imported by
# custom_imports = dict(imports=['my_project.my_module']) and needs no change in the package.
default_scope = 'mmwsss'
default_hooks = dict(
    timer=dict(type='IterTimerHook'),
    logger=dict(type='LoggerHook', interval=50),
    param_scheduler=dict(type='ParamSchedulerHook'),
    checkpoint=dict(type='WSSSCheckpointHook', interval=1, max_keep_ckpts=1),
    sampler_seed=dict(type='DistSamplerSeedHook'))
# In the data workers OpenCV would otherwise fight for the cores with the training.
env_cfg = dict(
    cudnn_benchmark=True,
    mp_cfg=dict(mp_start_method='fork', opencv_num_threads=0),
    dist_cfg=dict(backend='nccl', timeout=86400))  # ranks wait for each other's CAMs and masks
# For curves add dict(type='TensorboardVisBackend') (pip install tensorboard).
vis_backends = [dict(type='LocalVisBackend')]
visualizer = dict(type='Visualizer', vis_backends=vis_backends, name='visualizer')
log_processor = dict(by_epoch=True)
log_level = 'INFO'
# Everything that is drawn in a run follows from this number, see WSSSTrainLoop.
randomness = dict(seed=0)
load_from = None
resume = False
