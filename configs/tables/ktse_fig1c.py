# KTSE (ECCV 2024), fig. 1c: under-activation against over-expansion.
# The digest does not hold its figures; here FNR and FPR, and both over the threshold.
title = 'KTSE, figure 1c: under-activation (FNR) and over-expansion (FPR)'
paper = 'ktse'
kind = 'figure'
source = 'none: a figure'
analysis = ['sweep']
columns = [
    dict(key='seed', title='seed', stage='cam', split='train', metric='mIoU@oracle'),
    dict(key='fpr', title='FPR', stage='cam', split='train', metric='FPR@oracle'),
    dict(key='fnr', title='FNR', stage='cam', split='train', metric='FNR@oracle')]
rows = [
    dict(name='GPP', voc='configs/ktse/gpp_r38_voc.py', shapes='configs/demo/gpp_shapes.py',
         voc6='projects/voc_animals/configs/gpp_mobilenet.py'),
    dict(name='AEFT', voc='configs/aeft/aeft_r38_voc.py'),
    dict(name='KTSE', voc='configs/ktse/ktse_r38_voc.py', shapes='configs/demo/ktse_shapes.py',
         voc6='projects/voc_animals/configs/ktse_mobilenet.py')]
