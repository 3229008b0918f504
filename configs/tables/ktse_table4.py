# KTSE (ECCV 2024): segmentation on COCO 2014.
# The number of this table is our reading: the digest gives the figures without one.
# The digest holds no figure of the baseline.
title = 'KTSE, table 4: segmentation on COCO val'
paper = 'ktse'
kind = 'table'
source = 'KTSE, results on COCO val'
columns = [dict(key=_net, title=_net, stage='segment', split='val', metric='mIoU',
                options={'pipeline.mask.keep': 0.5},
                coco={'pipeline.segment.config': f'configs/beco/beco_{_net}_coco_msc-crf.py'},
                shapes=None) for _net in ('r101', 'vgg16')]
rows = [
    dict(name='KTSE', coco='configs/ktse/ktse_r38_coco.py',
         published=dict(r101=45.9, vgg16=37.2))]
