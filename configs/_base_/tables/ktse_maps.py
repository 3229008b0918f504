# The maps of KTSE (ECCV 2024) and of what it builds on; no published figures.
paper = 'ktse'
kind = 'figure'
columns = [
    dict(key='seed', title='seed', stage='cam', split='train', metric='mIoU@oracle')]
rows = [
    dict(name='GPP', voc='configs/ktse/gpp_r38_voc.py', shapes='configs/demo/gpp_shapes.py',
         voc6='projects/voc_animals/configs/gpp_voc6.py'),
    dict(name='AEFT', voc='configs/aeft/aeft_r38_voc.py',
         voc6='projects/voc_animals/configs/aeft_voc6.py'),
    dict(name='KTSE', voc='configs/ktse/ktse_r38_voc.py', shapes='configs/demo/ktse_shapes.py',
         voc6='projects/voc_animals/configs/ktse-code_voc6.py')]
