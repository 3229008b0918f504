# KTSE (ECCV 2024), fig. 3: localization maps of several methods side by side.
# A grid of images, without published figures.
_base_ = '../_base_/tables/ktse_maps.py'

title = 'KTSE, figure 3: localization maps'
source = 'none: images'
analysis = ['images']
