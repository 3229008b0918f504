# EADER (2020), fig. 5: images that gain and lose.
# A grid of images, without published figures; what it shows is our reading.
_base_ = '../_base_/tables/eader_alpha.py'

title = 'EADER, figure 5: images that gain and lose'
analysis = ['images', 'sweep']
rows = [_row for _row in _base_.rows if _row.name in ('alpha 0', 'alpha 0.05')]
