# KTSE (ECCV 2024), table 6: what each module adds.
title = 'KTSE, table 6: modules'
paper = 'ktse'
kind = 'table'
source = 'KTSE, table 6 (VOC train)'
note = 'On Shapes the base is the plain CAM with the layers of KTSE, not GPP.'
columns = [
    dict(key='seed', title='seed', stage='cam', split='train', metric='mIoU@oracle',
         voc={'pipeline.cam.relu': 'each'})]
_shapes, _voc6 = 'configs/demo/ktse_shapes.py', 'projects/voc_animals/configs/ktse-code_voc6.py'
_sie, _ssr = 'SimulatedInterImageErasing', 'SelfSupervisedRegularization'
_mga = 'MultiGranularityAlignment'
rows = [
    dict(name='base', voc='configs/ktse/gpp_r38_voc.py', shapes=dict(config=_shapes, modules=[]),
         voc6=dict(config=_voc6, modules=[]), published=dict(seed=54.2))]
for _name, _config, _keep, _seed in [
        ('SIE', 'ktse_sie', [_sie], 57.1), ('SSR', 'ktse_ssr', [_ssr], 57.4),
        ('MGA', 'ktse_mga', [_mga], 60.2), ('SIE + SSR', 'ktse_sie-ssr', [_sie, _ssr], 63.8),
        ('SIE + SSR + MGA', 'ktse', [_sie, _ssr, _mga], 67.0)]:
    rows.append(dict(
        name=_name, voc=f'configs/ktse/{_config}_r38_voc.py',
        shapes=dict(config=_shapes, modules=_keep), voc6=dict(config=_voc6, modules=_keep),
        published=dict(seed=_seed)))
