# EADER (2020): segmentation on VOC val and test with both networks.
# The number of this table is our reading: the digest gives the figures without one.
title = 'EADER, table 5: segmentation, ResNet-101 and Xception-65'
paper = 'eader'
kind = 'table'
source = 'EADER, in PSA (VOC val and test)'
columns = [dict(key=f'{_net}_{_split}', title=f'{_net} {_split}', stage='segment', split=_split,
                metric='mIoU', shapes=None,
                voc={'pipeline.segment.config': f'configs/deeplab/deeplabv3plus_{_net}_voc.py'})
           for _net in ('r101', 'x65') for _split in ('val', 'test')]
rows = [
    dict(name='PSA + EADER', voc='configs/eader/eader-psa_r38_voc.py',
         published=dict(r101_val=62.5, r101_test=63.0, x65_val=62.8, x65_test=63.8))]
