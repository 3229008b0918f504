# CSD (BMVC 2023), figure of the confusion between classes that come together.
# The digest does not hold its figures.
title = 'CSD: class confusion'
paper = 'csd'
kind = 'figure'
source = 'none: a figure'
note = 'On voc6 the plain CAM in place of MCTformer.'
analysis = ['confusion']
columns = [
    dict(key='seed', title='seed', stage='cam', split='train', metric='mIoU@oracle'),
    dict(key='mask', title='mask', stage='mask', split='train', metric='mIoU')]
_animals = 'projects/voc_animals/configs'
rows = [
    dict(name='MCTformer', voc='configs/mctformer/mctformer_deit-s_voc.py',
         shapes='configs/demo/mctformer_shapes.py', voc6=f'{_animals}/gap_voc6.py'),
    dict(name='MCTformer + CSD', voc='configs/csd/csd_mctformer_deit-s_voc.py',
         shapes='configs/demo/csd_mctformer_shapes.py', voc6=f'{_animals}/csd_gap_voc6.py')]
