# CSD (BMVC 2023), table 1: on IRN and MCTformer, whose figures are those of this paper.
title = 'CSD, table 1: seeds, masks and segmentation on two bases'
paper = 'csd'
kind = 'table'
source = 'CSD, table 1 (VOC; seeds and masks on train)'
note = 'On Shapes the plain CAM is what IRN starts from.'
_small = {'pipeline.segment.config': 'configs/deeplab/deeplabv2_small_shapes.py'}
columns = [
    dict(key='seed', title='seed', stage='cam', split='train', metric='mIoU@oracle'),
    dict(key='mask', title='mask', stage='mask', split='train', metric='mIoU'),
    dict(key='val', title='val', stage='segment', split='val', metric='mIoU', shapes=_small),
    dict(key='test', title='test', stage='segment', split='test', metric='mIoU', shapes=_small)]
_r50 = {'pipeline.segment.config': 'configs/deeplab/deeplabv2_r50_voc_msc-crf.py'}
_r38 = {'pipeline.segment.config': 'configs/deeplab/deeplabv1_r38_mct_voc_msc-crf.py'}
_animals = 'projects/voc_animals/configs'
rows = [
    dict(name='IRN', voc=dict(config='configs/irn/irn_r50_voc.py', options=_r50),
         shapes='configs/demo/cam_shapes.py', voc6=f'{_animals}/gap_voc6.py',
         published=dict(seed=48.3, mask=66.5, val=63.5, test=64.8)),
    dict(name='IRN + CSD', voc=dict(config='configs/csd/csd_irn_r50_voc.py', options=_r50),
         shapes='configs/demo/csd_cam_shapes.py', voc6=f'{_animals}/csd_gap_voc6.py',
         published=dict(seed=50.6, mask=68.2, val=64.9, test=66.1)),
    dict(name='MCTformer',
         voc=dict(config='configs/mctformer/mctformer_deit-s_voc.py', options=_r38),
         shapes='configs/demo/mctformer_shapes.py',
         published=dict(seed=61.7, mask=69.1, val=70.0, test=71.6)),
    dict(name='MCTformer + CSD',
         voc=dict(config='configs/csd/csd_mctformer_deit-s_voc.py', options=_r38),
         shapes='configs/demo/csd_mctformer_shapes.py',
         published=dict(seed=63.8, mask=70.9, val=71.4, test=72.8))]
