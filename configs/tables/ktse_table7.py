# KTSE (ECCV 2024), table 7: ways to learn from an erased image.
title = 'KTSE, table 7: alignment to the erased image'
paper = 'ktse'
kind = 'table'
source = 'KTSE, table 7 (VOC train)'
columns = [
    dict(key='seed', title='seed', stage='cam', split='train', metric='mIoU@oracle',
         voc={'pipeline.cam.relu': 'each'})]
_gpp = 'configs/demo/gpp_shapes.py'
_when = dict(begin=15, ramp=4)
_mga = dict(type='MultiGranularityAlignment', **_when)
rows = [
    dict(name='base', voc='configs/ktse/gpp_r38_voc.py', shapes=_gpp, published=dict(seed=54.2))]
for _name, _config, _module, _seed in [
        ('rigid classification (ACoL)', 'ktse_rigid',
         dict(type='ErasedClassification', threshold=0.6, **_when), 55.6),
        ('soft, GPP feature (AEFT)', 'ktse_soft',
         dict(type='AdversarialErasingTriplet', repulse_weight=0, **_when), 54.9),
        ('global alignment', 'ktse_mga-global', dict(_mga, local_weight=0), 58.7),
        ('global + local (MGA)', 'ktse_mga', _mga, 60.2)]:
    rows.append(dict(
        name=_name, voc=f'configs/ktse/{_config}_r38_voc.py',
        shapes=dict(config=_gpp, options={'model.modules': [_module]}),
        published=dict(seed=_seed)))
