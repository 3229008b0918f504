# FSAE (WACV 2025): FAE and SAE on PPC with EPS.
# The number of this table is our reading: the digest gives the figures without one.
title = 'FSAE, table 5: parts, on PPC + EPS'
paper = 'fsae'
kind = 'table'
source = 'FSAE, ablation (VOC train)'
columns = [
    dict(key='seed', title='seed', stage='cam', split='train', metric='mIoU@oracle')]
rows = [
    dict(name='PPC + EPS', voc='configs/ppc/ppc-eps-40k_r38_voc.py',
         shapes='configs/demo/ppc-eps_shapes.py', published=dict(seed=70.5)),
    dict(name='+ FAE', voc='configs/fsae/fsae-fae_ppc-eps_r38_voc.py',
         shapes=dict(config='configs/demo/fsae_ppc-eps_shapes.py',
                     options={'model.modules.3.boundary_weight': 0}), published=dict(seed=73.7)),
    dict(name='+ FAE + SAE', voc='configs/fsae/fsae_ppc-eps_r38_voc.py',
         shapes='configs/demo/fsae_ppc-eps_shapes.py', published=dict(seed=74.5))]
