# FSAE (WACV 2025): segmentation on COCO val, DeepLabV2.
# The number of this table is our reading: the digest gives the figures without one.
title = 'FSAE, table 4: segmentation on COCO val'
paper = 'fsae'
kind = 'table'
source = 'FSAE, results on COCO val'
_segment = {'pipeline.segment.config': 'configs/deeplab/deeplabv2_r101_coco_msc-crf.py'}
columns = [dict(key='val', title='val', stage='segment', split='val', metric='mIoU',
                coco=_segment, shapes=None)]
rows = [
    dict(name='SIPE + FSAE', coco='configs/fsae/fsae_sipe_r50_coco.py',
         published=dict(val=39.5)),
    dict(name='PPC + EPS + FSAE', coco='configs/fsae/fsae_ppc-eps_r38_coco.py',
         published=dict(val=35.4))]
