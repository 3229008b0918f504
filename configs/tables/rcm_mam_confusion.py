# RCM + MAM (arXiv 2112.05351), section 4.5: confusion of classes that share images.
# The digest does not hold its figures.
title = 'RCM + MAM, section 4.5: class confusion'
paper = 'rcm_mam'
kind = 'figure'
source = 'none: a figure'
analysis = ['confusion']
columns = [
    dict(key='seed', title='seed', stage='cam', split='train', metric='mIoU@oracle'),
    dict(key='mask', title='mask', stage='mask', split='train', metric='mIoU')]
_animals = 'projects/voc_animals/configs'
rows = [
    dict(name=_name, voc=f'configs/rcm_mam/{_voc}_r38_voc.py',
         shapes=f'configs/demo/{_small}_shapes.py', voc6=f'{_animals}/{_small}_mobilenet.py')
    for _name, _voc, _small in [('baseline', 'baseline', 'embed'), ('RCM', 'rcm', 'rcm'),
                                ('MAM', 'mam', 'mam'), ('RCM + MAM', 'rcm-mam', 'rcm-mam')]]
