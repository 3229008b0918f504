# FSAE (WACV 2025): colour operations of the strong view.
# The number of this table is our reading: the digest gives the figures without one.
title = 'FSAE, table 8: colour operations of the strong view'
paper = 'fsae'
kind = 'table'
source = 'FSAE, ablation (VOC train)'
columns = [
    dict(key='seed', title='seed', stage='cam', split='train', metric='mIoU@oracle')]
_shapes = 'configs/demo/fsae_ppc-eps_shapes.py'
rows = [
    dict(name=f'{_ops} operations', voc=f'configs/fsae/fsae{_name}_ppc-eps_r38_voc.py',
         shapes=dict(config=_shapes,
                     options={'train_dataloader.dataset.pipeline.5.num_ops': _ops}),
         published=dict(seed=_seed))
    for _ops, _name, _seed in [(1, '-ra1', 73.8), (3, '', 74.5), (5, '-ra5', 74.3),
                               (7, '-ra7', 73.4)]]
