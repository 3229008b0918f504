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
_configs = 'projects/voc_animals/configs'
_sie, _ssr = 'SimulatedInterImageErasing', 'SelfSupervisedRegularization'
_mga = 'MultiGranularityAlignment'
_no_pairs = {'train_dataloader.dataset.views': []}
_acol = {'model.modules': [dict(type='ErasedClassification', ramp=30, by_epoch=False)]}
_full = {'model.modules.0.fg_weight': 1., 'model.modules.0.complex_fg': True,
         'model.modules.0.relu_cam': True}
_longer = {'train_cfg.max_epochs': 4}
_average = {'model.head.type': 'GAPHead', 'pipeline.start.config': f'{_configs}/cam_voc6.py'}
rows = [
    dict(name=_name, voc6=dict(
        config=f'{_configs}/{_config}_voc6.py', modules=_modules, options={
            'pipeline.stages': dict(cam=dict(type='CAMStage', train=False), mask=None),
            'pipeline.baseline': None, 'pipeline.segment': None, **_options}))
    for _name, _config, _modules, _options in (
        ('plain CAM', 'gap', None, {}),
        ('ACoL', 'gap', None, _acol),
        ('plain CAM with GPP', 'gpp', None, {}),
        ('plain CAM with GPP, four times as long', 'gpp', None, _longer),
        ('AEFT', 'aeft', None, {}),
        ('SIE', 'ktse-code', [_sie], {}),
        ('SSR', 'ktse-code', [_ssr], _no_pairs),
        ('SSR, foreground at full weight', 'ktse-code', [_ssr], {**_no_pairs, **_full}),
        ('SIE + SSR', 'ktse-code', [_sie, _ssr], {}),
        ('MGA, local', 'ktse-code', [_mga], {'model.modules.0.global_weight': 0, **_no_pairs}),
        ('MGA, global', 'ktse-code', [_mga], {'model.modules.0.local_weight': 0, **_no_pairs}),
        ('MGA', 'ktse-code', [_mga], _no_pairs),
        ('KTSE (code)', 'ktse-code', None, {}),
        ('KTSE (code), four times as long', 'ktse-code', None, _longer),
        ('KTSE (code), targets detached', 'ktse-code', None,
         {'model.modules.0.detach': True, 'model.modules.2.detach': True}),
        ('KTSE (code), average pooling', 'ktse-code', None, _average),
        ('KTSE (code), average pooling, targets of MGA detached', 'ktse-code', None,
         {'model.modules.2.detach': True, **_average}),
        ('EADER, alpha = 0', 'eader-alpha0', None, {}),
        ('EADER', 'eader', None, {}),
        ('RCM', 'rcm', None, {}),
        ('MAM', 'mam', None, {}),
        ('RCM + MAM', 'rcm-mam', None, {}),
        ('FSAE', 'fsae_gap', None, {}),
        ('CSD', 'csd_gap', None, {}),
        ('KTSE (code) + FSAE', 'fsae_ktse', None, {}),
        ('KTSE (code) + CSD', 'csd_ktse', None, {}),
        ('SEAM', 'seam', None, {}),
        ('SIPE', 'sipe', None, {}),
        ('SIPE + FSAE', 'fsae_sipe', None, {}),
        ('SIPE + CSD', 'csd_sipe', None, {}),
        ('EPS', 'eps', None, {}),
        ('PPC with EPS', 'ppc-eps', None, {}),
        ('PPC with EPS + FSAE', 'fsae_ppc-eps', None, {}),
    )]
