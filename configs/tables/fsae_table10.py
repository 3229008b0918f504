# FSAE (WACV 2025): confidence of the ring.
# The number of this table is our reading: the digest gives the figures without one.
title = 'FSAE, table 10: confidence of the ring'
paper = 'fsae'
kind = 'table'
source = 'FSAE, ablation (VOC train)'
columns = [
    dict(key='seed', title='seed', stage='cam', split='train', metric='mIoU@oracle')]
_shapes = 'configs/demo/fsae_ppc-eps_shapes.py'
rows = [
    dict(name=f'tau_SAE {_tau}', voc=f'configs/fsae/fsae{_name}_ppc-eps_r38_voc.py',
         shapes=dict(config=_shapes, options={'model.modules.3.tau_sae': _tau}),
         published=dict(seed=_seed))
    for _tau, _name, _seed in [(0., '-sae-tau0', 74.2), (0.6, '-sae-tau60', 74.2),
                               (0.7, '-sae-tau70', 74.3), (0.8, '', 74.5),
                               (0.9, '-sae-tau90', 74.4)]]
