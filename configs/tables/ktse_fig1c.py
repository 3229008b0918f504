# KTSE (ECCV 2024), fig. 1c: under-activation against over-expansion.
# The digest does not hold its figures; here FNR and FPR, and both over the threshold.
_base_ = '../_base_/tables/ktse_maps.py'

title = 'KTSE, figure 1c: under-activation (FNR) and over-expansion (FPR)'
source = 'none: a figure'
analysis = ['sweep']
columns = [
    *_base_.columns,
    dict(key='fpr', title='FPR', stage='cam', split='train', metric='FPR@oracle'),
    dict(key='fnr', title='FNR', stage='cam', split='train', metric='FNR@oracle')]
