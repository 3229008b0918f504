# EADER (2020): in PSA, segmentation on VOC val with Xception-65.
# The number of this table is our reading: the digest gives the figures without one.
_base_ = '../_base_/tables/eader_psa.py'

title = 'EADER, table 4: in PSA, segmentation on VOC val with Xception-65'
_segment = {'pipeline.segment.config': 'configs/deeplab/deeplabv3plus_x65_voc.py'}
_small = {'pipeline.segment.config': 'configs/deeplab/deeplabv2_small_shapes.py'}
columns = [dict(key='val', title='val', stage='segment', split='val', metric='mIoU',
                voc=_segment, shapes=_small)]
rows = [dict(_row, published=dict(val=_val)) for _row, _val in zip(_base_.rows, (60.7, 62.8))]
