# voc6: each method goes on from one trained classifier, as does the plain CAM, for the same images.
#   python tools/reproduce.py projects/voc_animals/two_phase.py --data voc6 --seeds 0 1 2
title = 'voc6: second phases from one plain CAM classifier'
paper = 'voc_animals'
kind = 'table'
source = 'none: images of our own choice'
columns = [
    dict(key='train', title='seed, train', stage='cam', split='train', metric='mIoU@oracle'),
    dict(key='seed', title='seed, val', stage='cam', split='val', metric='mIoU@oracle'),
    dict(key='held_out', title='held-out, val', stage='cam', split='val', metric='mIoU@held_out'),
    dict(key='precision', title='precision, val', stage='cam', split='val',
         metric='mPrecision@oracle'),
    dict(key='recall', title='recall, val', stage='cam', split='val', metric='mRecall@oracle')]
_base = 'projects/voc_animals/configs/second_phase.py'
_pairs = {'train_dataloader.dataset.views': [dict(type='PairedView')]}
_sie = dict(type='SimulatedInterImageErasing', num_pairs=4)
_ssr = dict(type='SelfSupervisedRegularization')
_mga = dict(type='MultiGranularityAlignment')
_rcm = dict(type='RegionalContrast', num_classes=6, embed_channels=256, scales=(0.5, 1.))
_mam = dict(type='MultiScaleAttention', scales=(0.5, 1.))
_teacher = {'model.teacher': True, 'train_cfg.ema': dict(momentum=0.98)}
_seeds = {'pipeline.stages': dict(cam=dict(type='CAMStage', train=False), mask=None),
          'pipeline.mask': None, 'pipeline.segment': None}
rows = [
    dict(name=_name, voc6=dict(config=_base, options={'model.modules': _modules, **_seeds,
                                                     **_more}))
    for _name, _modules, _more in (
        ('plain CAM', [], {}),
        ('SIE', [_sie], _pairs),
        ('SSR', [_ssr], {}),
        ('MGA, local', [dict(_mga, global_weight=0)], {}),
        ('MGA, global', [dict(_mga, local_weight=0)], {}),
        ('MGA, global, target detached', [dict(_mga, local_weight=0, detach=True)], {}),
        ('KTSE', [_sie, _ssr, _mga], _pairs),
        ('KTSE, targets of MGA detached', [_sie, _ssr, dict(_mga, detach=True)], _pairs),
        ('ACoL', [dict(type='ErasedClassification')], {}),
        ('RCM', [_rcm], _teacher),
        ('MAM', [_mam], _teacher),
        ('RCM + MAM', [_rcm, _mam], _teacher),
    )]
