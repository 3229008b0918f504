# FSAE (WACV 2025): segmentation on VOC, DeepLabV1-R101.
# The number of this table is our reading: the digest gives the figures without one.
# The digest holds no figure of the bases in this table.
title = 'FSAE, table 2: segmentation on VOC, DeepLabV1-R101'
paper = 'fsae'
kind = 'table'
source = 'FSAE, results on VOC val and test'
_segment = {'pipeline.segment.config': 'configs/deeplab/deeplabv1_r101-deep_voc_msc-crf.py'}
_small = {'pipeline.segment.config': 'configs/deeplab/deeplabv2_small_shapes.py'}
_column = dict(stage='segment', metric='mIoU', voc=_segment, shapes=_small)
columns = [dict(key='val', title='V1 val', split='val', **_column),
           dict(key='test', title='V1 test', split='test', **_column)]
rows = [
    dict(name='SIPE + FSAE', voc='configs/fsae/fsae_sipe_r50_voc.py',
         shapes='configs/demo/fsae_sipe_shapes.py', published=dict(val=70.3, test=72.6)),
    dict(name='PPC + EPS', voc='configs/ppc/ppc-eps-40k_r38_voc.py',
         shapes='configs/demo/ppc-eps_shapes.py'),
    dict(name='PPC + EPS + FSAE', voc='configs/fsae/fsae_ppc-eps_r38_voc.py',
         shapes='configs/demo/fsae_ppc-eps_shapes.py', published=dict(val=73.7, test=75.3))]
