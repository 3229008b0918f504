# RCM + MAM (arXiv 2112.05351), fig. 7: mIoU over the threshold.
# Without published figures.
title = 'RCM + MAM, figure 7: mIoU over the threshold'
paper = 'rcm_mam'
kind = 'figure'
source = 'none: a figure'
analysis = ['sweep']
columns = [
    dict(key='seed', title='seed', stage='cam', split='train', metric='mIoU@oracle'),
    dict(key='precision', title='precision', stage='cam', split='train',
         metric='mPrecision@oracle'),
    dict(key='recall', title='recall', stage='cam', split='train', metric='mRecall@oracle')]
_animals = 'projects/voc_animals/configs'
rows = [
    dict(name=_name, voc=f'configs/rcm_mam/{_voc}_r38_voc.py',
         shapes=f'configs/demo/{_small}_shapes.py', voc6=f'{_animals}/{_small}_mobilenet.py')
    for _name, _voc, _small in [('baseline', 'baseline', 'embed'), ('RCM', 'rcm', 'rcm'),
                                ('MAM', 'mam', 'mam'), ('RCM + MAM', 'rcm-mam', 'rcm-mam')]]
