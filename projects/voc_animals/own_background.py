# voc6: seeds of networks that score the background themselves, by that and by the best threshold.
#   python tools/reproduce.py projects/voc_animals/own_background.py --data voc6 --seeds 0
title = 'voc6: seeds by the own background'
paper = 'voc_animals'
kind = 'table'
source = 'none: images of our own choice'
columns = [
    dict(key='train', title='own, train', stage='cam', split='train', metric='mIoU@own'),
    dict(key='own', title='own, val', stage='cam', split='val', metric='mIoU@own'),
    dict(key='precision', title='precision', stage='cam', split='val', metric='mPrecision@own'),
    dict(key='recall', title='recall', stage='cam', split='val', metric='mRecall@own'),
    dict(key='oracle', title='best threshold, val', stage='cam', split='val',
         metric='mIoU@oracle')]
_configs = 'projects/voc_animals/configs'
_ssr = ['SelfSupervisedRegularization']
_alone = {'model.modules.0.inter_weight': 0, 'train_dataloader.dataset.views': []}
rows = [
    dict(name=_name, voc6=dict(
        config=f'{_configs}/{_config}_voc6.py', modules=_modules, options={
            'pipeline.stages': dict(cam=dict(type='CAMStage', train=False), mask=None),
            'pipeline.baseline': None, 'pipeline.segment': None, **_options}))
    for _name, _config, _modules, _options in (
        ('KTSE', 'ktse', None, {}),
        ('SSR, labels of the first phase', 'ktse', _ssr, _alone),
        ('SSR, ground truth for labels', 'ssr-truth', None, {}),
        ('SIPE', 'sipe', None, {}),
        ('SIPE + CSD', 'csd_sipe', None, {}))]
