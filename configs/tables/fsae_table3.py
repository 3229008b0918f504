# FSAE (WACV 2025): segmentation on VOC, DeepLabV2-R101.
# The number of this table is our reading: the digest gives the figures without one.
# The digest holds no figure of the bases in this table.
title = 'FSAE, table 3: segmentation on VOC, DeepLabV2-R101'
paper = 'fsae'
kind = 'table'
source = 'FSAE, results on VOC val and test'
_segment = {'pipeline.segment.config': 'configs/deeplab/deeplabv2-aspp_r101_voc_msc-crf.py'}
_small = {'pipeline.segment.config': 'configs/deeplab/deeplabv2_small_shapes.py'}
_column = dict(stage='segment', metric='mIoU', voc=_segment, shapes=_small)
columns = [dict(key='val', title='V2 val', split='val', **_column),
           dict(key='test', title='V2 test', split='test', **_column)]
rows = [
    dict(name='MCTformer + FSAE', voc='configs/fsae/fsae_mctformer_deit-s_voc.py',
         shapes='configs/demo/fsae_mctformer_shapes.py', published=dict(val=69.8, test=70.5)),
    dict(name='SIPE + FSAE', voc='configs/fsae/fsae_sipe_r50_voc.py',
         shapes='configs/demo/fsae_sipe_shapes.py', published=dict(val=69.9, test=71.2)),
    dict(name='PPC + EPS + FSAE', voc='configs/fsae/fsae_ppc-eps_r38_voc.py',
         shapes='configs/demo/fsae_ppc-eps_shapes.py', published=dict(val=74.4, test=75.0))]
