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
# RCM + MAM without its modules, so that its masks are made in the same way.
_plain = dict(config='configs/rcm_mam/rcm-mam_r38_voc.py', modules=[],
              options={'model.teacher': False, 'train_cfg.ema': None})
rows = [
    dict(name='baseline', voc=_plain, shapes='configs/demo/embed_shapes.py',
         published=dict(seed=48.4)),
    dict(name='RCM + MAM', voc='configs/rcm_mam/rcm-mam_r38_voc.py',
         shapes='configs/demo/rcm-mam_shapes.py', published=dict(seed=63.7, mask=71.0))]
