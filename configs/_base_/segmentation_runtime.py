# What every training of a segmentation model shares.
default_scope = 'mmwsss'
custom_imports = dict(
    imports=['mmwsss.datasets', 'mmwsss.models', 'mmwsss.evaluation'], allow_failed_imports=False)
env_cfg = dict(
    cudnn_benchmark=True,
    mp_cfg=dict(mp_start_method='fork', opencv_num_threads=0),
    dist_cfg=dict(backend='nccl', timeout=86400))  # ranks wait for each other's CAMs and masks
vis_backends = [dict(type='LocalVisBackend')]
visualizer = dict(type='mmseg.SegLocalVisualizer', vis_backends=vis_backends, name='visualizer')
log_processor = dict(by_epoch=False)
randomness = dict(seed=0)
log_level = 'INFO'
load_from = None
resume = False
