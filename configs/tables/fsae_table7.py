# FSAE (WACV 2025), table 7: confidence of the supervised pixels, FAE alone.
title = 'FSAE, table 7: confidence of the supervised pixels, FAE alone'
paper = 'fsae'
kind = 'table'
source = 'FSAE, ablation (VOC train)'
columns = [
    dict(key='seed', title='seed', stage='cam', split='train', metric='mIoU@oracle')]
_shapes = 'configs/demo/fsae_ppc-eps_shapes.py'
rows = [
    dict(name=f'tau_FAE {_tau}', voc=f'configs/fsae/fsae-fae{_name}_ppc-eps_r38_voc.py',
         shapes=dict(config=_shapes, options={
             'model.modules.3.tau_fae': _tau, 'model.modules.3.boundary_weight': 0}),
         published=dict(seed=_seed))
    for _tau, _name, _seed in [(0.80, '-tau80', 70.0), (0.85, '-tau85', 72.8),
                               (0.90, '-tau90', 73.5), (0.95, '', 73.7), (0.99, '-tau99', 73.3)]]
