# KTSE (ECCV 2024), fig. 3: localization maps of several methods side by side.
# A grid of images, without published figures.
title = 'KTSE, figure 3: localization maps'
paper = 'ktse'
kind = 'figure'
source = 'none: images'
analysis = ['images']
columns = [
    dict(key='seed', title='seed', stage='cam', split='train', metric='mIoU@oracle')]
rows = [
    dict(name='GPP', voc='configs/ktse/gpp_r38_voc.py', shapes='configs/demo/gpp_shapes.py',
         voc6='projects/voc_animals/configs/gpp_mobilenet.py'),
    dict(name='AEFT', voc='configs/aeft/aeft_r38_voc.py'),
    dict(name='KTSE', voc='configs/ktse/ktse_r38_voc.py', shapes='configs/demo/ktse_shapes.py',
         voc6='projects/voc_animals/configs/ktse_mobilenet.py')]
