# KTSE (ECCV 2024): segmentation on VOC, BECO with DeepLabV2-R101.
# The number of this table is our reading: the digest gives the figures without one.
# BECO trusts the half of the pixels of each class whose scores are surest (keep).
# The digest holds no figure of the baseline's segmentation.
title = 'KTSE, table 2: segmentation on VOC, ResNet-101'
paper = 'ktse'
kind = 'table'
source = 'KTSE, results on VOC val and test'
_segment = {'pipeline.segment.config': 'configs/beco/beco_r101_voc_msc-crf.py',
            'pipeline.mask.keep': 0.5}
_small = {'pipeline.segment.config': 'configs/deeplab/deeplabv2_small_shapes.py'}
_column = dict(stage='segment', metric='mIoU', voc=_segment, shapes=_small)
columns = [dict(key='val', title='R101 val', split='val', **_column),
           dict(key='test', title='R101 test', split='test', **_column)]
_crf = {'pipeline.mask': dict(type='CRFMask', bg='oracle_seed')}  # as KTSE
rows = [
    dict(name='GPP', shapes=dict(config='configs/demo/gpp_shapes.py', options=_crf)),
    dict(name='KTSE', voc='configs/ktse/ktse_r38_voc.py', shapes='configs/demo/ktse_shapes.py',
         published=dict(val=73.0, test=72.9))]
