# RCM + MAM (arXiv 2112.05351): masks by PSA on VOC train.
# The number of this table is our reading: the digest gives the figures without one.
# The digest holds no mask of the baseline.
title = 'RCM + MAM, table 3: masks'
paper = 'rcm_mam'
kind = 'table'
source = 'RCM + MAM, pseudo masks (VOC train)'
columns = [
    dict(key='seed', title='seed', stage='cam', split='train', metric='mIoU@oracle'),
    dict(key='mask', title='mask', stage='mask', split='train', metric='mIoU')]
# The masks of the baseline as those of the method.
_psa = {
    'pipeline.affinity': dict(
        _delete_=True, config='configs/psa/affinity_r38_voc.py',
        labels=dict(type='AffinityScores', low=4, high=32, preset='psa')),
    'pipeline.mask': dict(_delete_=True, type='PSAMask', alpha=16, beta=8, log_steps=8)}
rows = [
    dict(name='baseline',
         voc=dict(config='configs/rcm_mam/baseline_r38_voc.py', options=_psa),
         shapes='configs/demo/embed_shapes.py', published=dict(seed=48.4)),
    dict(name='RCM + MAM', voc='configs/rcm_mam/rcm-mam_r38_voc.py',
         shapes='configs/demo/rcm-mam_shapes.py', published=dict(seed=63.7, mask=71.0))]
