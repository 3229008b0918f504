# EADER (2020): precision and recall over the threshold rho, from one run of CAMs.
# The digest does not hold its figures.
_base_ = './eader_fig1.py'

title = 'EADER: precision and recall over rho'
source = 'none: a figure'
analysis = ['sweep']
columns = [
    dict(key=f'{_key}_{_rho}', title=f'{_key} at {_rho}', stage='cam', split='val',
         metric=f'{_key}@{_rho}')
    for _rho in (0.2, 0.3, 0.4) for _key in ('mPrecision', 'mRecall')]
