# EADER (2020), fig. 4: attention maps for several alpha.
# A grid of images, without published figures; what it shows is our reading.
_base_ = '../_base_/tables/eader_alpha.py'

title = 'EADER, figure 4: attention maps for several alpha'
