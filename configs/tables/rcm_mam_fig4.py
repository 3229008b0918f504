# RCM + MAM (arXiv 2112.05351), fig. 4: CAMs of the modules.
# Without published figures; what it shows is our reading.
title = 'RCM + MAM, figure 4: CAMs of the modules'
paper = 'rcm_mam'
kind = 'figure'
source = 'none: a figure'
analysis = ['images']
columns = [
    dict(key='seed', title='seed', stage='cam', split='train', metric='mIoU@oracle'),
    dict(key='precision', title='precision', stage='cam', split='train',
         metric='mPrecision@oracle'),
    dict(key='recall', title='recall', stage='cam', split='train', metric='mRecall@oracle')]
_animals = 'projects/voc_animals/configs'
rows = [
    dict(name=_name, voc=f'configs/rcm_mam/{_voc}_r38_voc.py',
         shapes=f'configs/demo/{_shapes}_shapes.py', voc6=f'{_animals}/{_voc6}_voc6.py')
    for _name, _voc, _shapes, _voc6 in [
        ('baseline', 'baseline', 'embed', 'gap'), ('RCM', 'rcm', 'rcm', 'rcm'),
        ('MAM', 'mam', 'mam', 'mam'), ('RCM + MAM', 'rcm-mam', 'rcm-mam', 'rcm-mam')]]
