# EADER (2020), fig. 5: images that gain and lose.
# A grid of images, without published figures; what it shows is our reading.
_base_ = './eader_fig1.py'

title = 'EADER, figure 5: images that gain and lose'
analysis = ['images', 'sweep']
