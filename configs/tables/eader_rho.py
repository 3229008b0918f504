# EADER (2020): precision and recall over the threshold rho, from one run of CAMs.
# The digest does not hold its figures.
title = 'EADER: precision and recall over rho'
paper = 'eader'
kind = 'figure'
source = 'none: a figure'
analysis = ['sweep']
columns = [
    dict(key=f'{_key}_{_rho}', title=f'{_key} at {_rho}', stage='cam', split='val',
         metric=f'{_key}@{_rho}')
    for _rho in (0.2, 0.3, 0.4) for _key in ('mPrecision', 'mRecall')]
_alpha = 'model.modules.0.alpha'
rows = [
    dict(name=f'alpha {_value}', voc=f'configs/eader/eader_alpha-{_value}_r101_voc.py',
         shapes=dict(config='configs/demo/eader_shapes.py', options={_alpha: float(_value)}),
         voc6=dict(config='projects/voc_animals/configs/eader_mobilenet.py',
                   options={_alpha: float(_value)}))
    for _value in ('0', '0.05')]
