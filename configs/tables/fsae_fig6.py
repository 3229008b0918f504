# FSAE (WACV 2025), fig. 6: accuracy and ratio of the pseudo labels at the end of the training.
# The digest does not hold its figures. The module logs both where the samples of the training have
# ground truth; the course over the training:
#   python tools/analysis_tools/analyze_logs.py plot <store>/classify-... --keys *pseudo*
# On VOC give the training pipeline of the config a LoadMask() first.
title = 'FSAE, figure 6: accuracy and ratio of the pseudo labels'
paper = 'fsae'
kind = 'figure'
source = 'none: a figure'
columns = [dict(key=_key, title=_key.replace('_', ' '), stage='classify', split='train',
                metric=f'log:{_key}') for _key in ('pseudo_accuracy', 'pseudo_ratio')]
_pipeline = {'train_dataloader.dataset.pipeline': [
    dict(type='LoadImage'), dict(type='LoadMask', key='saliency'), dict(type='LoadMask'),
    dict(type='ResizeLong', long=(60, 100)), dict(type='RandomFlip', prob=0.5),
    dict(type='RandomPadCrop', size=80), dict(type='StrongView', num_ops=3),
    dict(type='PackWSSSInputs')]}
_shapes = 'configs/demo/fsae_ppc-eps_shapes.py'
rows = [
    dict(name='FAE', voc='configs/fsae/fsae-fae_ppc-eps_r38_voc.py', shapes=dict(
        config=_shapes, options={'model.modules.3.boundary_weight': 0, **_pipeline})),
    dict(name='FAE + SAE', voc='configs/fsae/fsae_ppc-eps_r38_voc.py',
         shapes=dict(config=_shapes, options=_pipeline))]
