# KTSE (ECCV 2024): segmentation on VOC, BECO with DeepLab-LargeFOV on VGG16.
# The number of this table is our reading: the digest gives the figures without one.
title = 'KTSE, table 3: segmentation on VOC, VGG16'
paper = 'ktse'
kind = 'table'
source = 'KTSE, results on VOC val and test'
_segment = {'pipeline.segment.config': 'configs/beco/beco_vgg16_voc_msc-crf.py',
            'pipeline.mask.keep': 0.5}
columns = [dict(key=_key, title=f'VGG16 {_key}', stage='segment', split=_key,
                metric='mIoU', voc=_segment)
           for _key in ('val', 'test')]
rows = [
    dict(name='KTSE', voc='configs/ktse/ktse_r38_voc.py', published=dict(val=67.3, test=67.0))]
