# FSAE (WACV 2025): FAE and SAE on SIPE and MCTformer.
# The number of this table is our reading: the digest gives the figures without one.
title = 'FSAE, table 6: parts, on SIPE and MCTformer'
paper = 'fsae'
kind = 'table'
source = 'FSAE, ablation (VOC train)'
columns = [
    dict(key='seed', title='seed', stage='cam', split='train', metric='mIoU@oracle')]
rows = []
for _base, _name, _config, _number, _seeds in [
        ('SIPE', 'sipe_r50', 'sipe/sipe-10e_r50', 1, (58.6, 60.9, 61.1)),
        ('MCTformer', 'mctformer_deit-s', 'mctformer/mctformer_deit-s', 0, (61.5, 62.2, 62.4))]:
    _small = _name.split('_')[0]
    _fsae = f'configs/demo/fsae_{_small}_shapes.py'
    _alone = {f'model.modules.{_number}.boundary_weight': 0}
    rows += [
        dict(name=_base, voc=f'configs/{_config}_voc.py',
             shapes=f'configs/demo/{_small}_shapes.py', published=dict(seed=_seeds[0])),
        dict(name=f'{_base} + FAE', voc=f'configs/fsae/fsae-fae_{_name}_voc.py',
             shapes=dict(config=_fsae, options=_alone), published=dict(seed=_seeds[1])),
        dict(name=f'{_base} + FAE + SAE', voc=f'configs/fsae/fsae_{_name}_voc.py', shapes=_fsae,
             published=dict(seed=_seeds[2]))]
