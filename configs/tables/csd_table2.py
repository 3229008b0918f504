# CSD (BMVC 2023): copy-paste, and drawing the source by co-occurrence.
# The number of this table is our reading: the digest gives the figures without one.
title = 'CSD, table 2: how the source image is drawn'
paper = 'csd'
kind = 'table'
source = 'CSD, ablation (VOC train)'
columns = [
    dict(key='seed', title='seed', stage='cam', split='train', metric='mIoU@oracle')]
_uniform = {'train_dataloader.dataset.views.0.pairing': 'uniform'}
_animals = 'projects/voc_animals/configs'
rows = [
    dict(name='MCTformer', voc='configs/mctformer/mctformer_deit-s_voc.py',
         shapes='configs/demo/cam_shapes.py', voc6=f'{_animals}/gap_voc6.py',
         published=dict(seed=61.7)),
    dict(name='+ copy-paste', voc='configs/csd/csd-uniform_mctformer_deit-s_voc.py',
         shapes=dict(config='configs/demo/csd_cam_shapes.py', options=_uniform),
         voc6=dict(config=f'{_animals}/csd_gap_voc6.py', options=_uniform),
         published=dict(seed=63.1)),
    dict(name='+ co-occurrence', voc='configs/csd/csd_mctformer_deit-s_voc.py',
         shapes='configs/demo/csd_cam_shapes.py', voc6=f'{_animals}/csd_gap_voc6.py',
         published=dict(seed=63.8))]
