# RCM + MAM (arXiv 2112.05351): ablation on VOC train, seeds and seeds with CRF.
# The number of this table is our reading: the digest gives the figures without one.
title = 'RCM + MAM, table 1: ablation'
paper = 'rcm_mam'
kind = 'table'
source = 'RCM + MAM, ablation (VOC train)'
columns = [
    dict(key='seed', title='seed', stage='cam', split='train', metric='mIoU@oracle'),
    dict(key='crf', title='with CRF', stage='mask', split='train', metric='mIoU',
         options={'pipeline.affinity': None,
                  'pipeline.mask': dict(_delete_=True, type='CRFMask', bg='oracle')})]
_shapes = 'configs/demo/rcm-mam_shapes.py'
_mam, _rcm = ['MultiScaleAttention'], ['RegionalContrast']
_animals = 'projects/voc_animals/configs'
rows = [
    dict(name='baseline', voc='configs/rcm_mam/baseline_r38_voc.py',
         shapes='configs/demo/embed_shapes.py', voc6=f'{_animals}/gap_voc6.py',
         published=dict(seed=48.4, crf=54.4)),
    dict(name='SMM', voc='configs/rcm_mam/smm_r38_voc.py',
         shapes=dict(config=_shapes, modules=_mam, options={'model.modules.0.variant': 'smm'}),
         published=dict(seed=51.0, crf=56.7)),
    dict(name='MMM', voc='configs/rcm_mam/mmm_r38_voc.py',
         shapes=dict(config=_shapes, modules=_mam, options={'model.modules.0.variant': 'mmm'}),
         published=dict(seed=57.0, crf=62.2)),
    dict(name='MAM', voc='configs/rcm_mam/mam_r38_voc.py', shapes='configs/demo/mam_shapes.py',
         voc6=f'{_animals}/mam_voc6.py', published=dict(seed=58.0, crf=63.4)),
    dict(name='RCM', voc='configs/rcm_mam/rcm_r38_voc.py', shapes='configs/demo/rcm_shapes.py',
         voc6=f'{_animals}/rcm_voc6.py', published=dict(seed=57.6, crf=62.8)),
    dict(name='RCM + MMM', voc='configs/rcm_mam/rcm-mmm_r38_voc.py',
         shapes=dict(config=_shapes, options={'model.modules.1.variant': 'mmm'}),
         published=dict(seed=62.6, crf=66.6)),
    dict(name='RCM + MAM', voc='configs/rcm_mam/rcm-mam_r38_voc.py', shapes=_shapes,
         voc6=f'{_animals}/rcm-mam_voc6.py', published=dict(seed=63.7, crf=67.7))]
