# RCM + MAM (arXiv 2112.05351): ways to teach the regions.
# The number of this table is our reading: the digest gives the figures without one.
title = 'RCM + MAM, table 2: variants of RCM'
paper = 'rcm_mam'
kind = 'table'
source = 'RCM + MAM, ablation of RCM (VOC train)'
columns = [
    dict(key='seed', title='seed', stage='cam', split='train', metric='mIoU@oracle')]
_shapes, _rcm = 'configs/demo/rcm-mam_shapes.py', ['RegionalContrast']
rows = [
    dict(name='baseline', voc='configs/rcm_mam/baseline_r38_voc.py',
         shapes='configs/demo/embed_shapes.py', published=dict(seed=48.4)),
    dict(name='direct', voc='configs/rcm_mam/direct_r38_voc.py',
         shapes=dict(config=_shapes, modules=_rcm, options={'model.modules.0.contrast': 'direct'}),
         published=dict(seed=52.3)),
    dict(name='weight sharing', voc='configs/rcm_mam/weight-sharing_r38_voc.py',
         shapes=dict(config=_shapes, modules=_rcm, options={
             'model.modules.0.support': 'student', 'model.teacher': False, 'train_cfg.ema': None}),
         published=dict(seed=53.7)),
    dict(name='RCM', voc='configs/rcm_mam/rcm_r38_voc.py', shapes='configs/demo/rcm_shapes.py',
         published=dict(seed=57.6))]
