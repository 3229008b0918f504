# voc6: pseudo masks of the second phases of two_phase.py, by dense CRF, PAR, PSA and IRN.
#   python tools/reproduce.py projects/voc_animals/masks.py --data voc6 --seeds 0
title = 'voc6: pseudo masks by dense CRF, PAR, PSA and IRN'
paper = 'voc_animals'
kind = 'table'
source = 'none: images of our own choice'
columns = [
    dict(key='seed', title='seed, val', stage='cam', split='val', metric='mIoU@oracle'),
    dict(key='train', title='mask, train', stage='mask', split='train', metric='mIoU'),
    dict(key='mask', title='mask, val', stage='mask', split='val', metric='mIoU')]
_configs = 'projects/voc_animals/configs'
# The affinity networks learn from the CAMs of the training images, which dense CRF does not need.
_no_training_cams = {'pipeline.stages': dict(cam=dict(type='CAMStage', train=False))}
_refiners = dict(
    CRF=_no_training_cams,
    PSA={
        'pipeline.affinity': dict(
            config=f'{_configs}/affinity_voc6.py',
            labels=dict(type='AffinityScores', low=4, high=32, preset='psa')),
        'pipeline.mask': dict(_delete_=True, type='PSAMask', bg='oracle', beta=8, log_steps=6)},
    IRN={
        'pipeline.affinity': dict(
            config=f'{_configs}/irnet_voc6.py', labels=dict(type='IRLabel', fg=0.30, bg=0.10)),
        'pipeline.mask': dict(_delete_=True, type='IRNMask', bg='oracle', beta=10, log_steps=6)})
# One second phase for all refiners, so the prior masks stay those of dense CRF.
_prior = {'pipeline.prior': dict(
    _delete_=True, config=f'{_configs}/sipe_voc6.py', affinity=None,
    mask=dict(type='CRFMask', preset='irn_label', unary='labels', bg='own'))}
# IRN with the background that the network scores itself, as in SIPE's paper.
_own = dict(_refiners, IRN={
    'pipeline.affinity': dict(
        config=f'{_configs}/irnet_voc6.py',
        labels=dict(type='IRLabel', fg='own', bg='own', bg_factor=0.5)),
    'pipeline.mask': dict(
        _delete_=True, type='IRNMask', bg='own', power=1.5, beta=10, log_steps=6)})
# The best threshold of SEAM's flat CAM is .80.
_flat = dict(_refiners, IRN=dict(_refiners['IRN'], **{
    'pipeline.affinity': dict(
        config=f'{_configs}/irnet_voc6.py', labels=dict(type='IRLabel', fg=0.85, bg=0.65))}))
# KTSE's labels are refined by PAR.
_par = dict(
    PAR={**_no_training_cams, 'pipeline.mask': dict(_delete_=True, type='PARMask', bg='oracle')},
    CRF=_no_training_cams)
rows = [
    dict(name=f'{_name}, {_refiner}', voc6=dict(
        config=f'{_configs}/{_config}_voc6.py',
        options={'pipeline.baseline': None, 'pipeline.segment': None, **_options, **_more}))
    for _name, _config, _more, _known in (
        ('plain CAM', 'gap', {}, _refiners), ('plain CAM with GPP', 'gpp', {}, _par),
        ('SEAM', 'seam', {}, _flat),
        ('EADER', 'eader', {}, _refiners), ('KTSE', 'ktse', {}, _own),
        ('SIPE + CSD', 'csd_sipe', _prior, _own))
    for _refiner, _options in _known.items()]
