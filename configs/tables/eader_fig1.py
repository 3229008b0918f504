# EADER (2020), fig. 1: attention maps with and without the adversary.
# A grid of images, without published figures; what it shows is our reading.
_base_ = '../_base_/tables/eader_alpha.py'

title = 'EADER, figure 1: attention maps with and without the adversary'
rows = [_row for _row in _base_.rows if _row.name in ('alpha 0', 'alpha 0.05')]
