# FSAE (WACV 2025), table 1: seeds and CRF masks on three bases.
title = 'FSAE, table 1: seeds and masks on three bases'
paper = 'fsae'
kind = 'table'
source = 'FSAE, table 1 (VOC train)'
# The masks of the bases as those of FSAE on them.
_crf = {'pipeline.affinity': None,
        'pipeline.mask': dict(_delete_=True, type='CRFMask', bg='oracle', preset='eps')}
_own = {**_crf, 'pipeline.mask': dict(_delete_=True, type='CRFMask', bg='own', preset='eps')}
columns = [
    dict(key='seed', title='seed', stage='cam', split='train', metric='mIoU@oracle'),
    dict(key='mask', title='mask', stage='mask', split='train', metric='mIoU')]
_animals = 'projects/voc_animals/configs'
rows = [
    dict(name='SIPE', voc=dict(config='configs/sipe/sipe-10e_r50_voc.py', options=_own),
         shapes='configs/demo/sipe_shapes.py', voc6=f'{_animals}/sipe_voc6.py',
         published=dict(seed=58.6, mask=64.7)),
    dict(name='SIPE + FSAE', voc='configs/fsae/fsae_sipe_r50_voc.py',
         shapes='configs/demo/fsae_sipe_shapes.py', voc6=f'{_animals}/fsae_sipe_voc6.py',
         published=dict(seed=61.1, mask=70.5)),
    dict(name='PPC + EPS', voc='configs/ppc/ppc-eps-40k_r38_voc.py',
         shapes='configs/demo/ppc-eps_shapes.py', voc6=f'{_animals}/ppc-eps_voc6.py',
         published=dict(seed=70.5, mask=73.3)),
    dict(name='PPC + EPS + FSAE', voc='configs/fsae/fsae_ppc-eps_r38_voc.py',
         shapes='configs/demo/fsae_ppc-eps_shapes.py',
         voc6=f'{_animals}/fsae_ppc-eps_voc6.py', published=dict(seed=74.5, mask=77.0)),
    dict(name='MCTformer',
         voc=dict(config='configs/mctformer/mctformer_deit-s_voc.py', options=_crf),
         shapes='configs/demo/mctformer_shapes.py', published=dict(seed=61.5, mask=67.9)),
    dict(name='MCTformer + FSAE', voc='configs/fsae/fsae_mctformer_deit-s_voc.py',
         shapes='configs/demo/fsae_mctformer_shapes.py', published=dict(seed=62.4, mask=68.8))]
