# FSAE (WACV 2025), fig. 4: masks with and without FSAE.
# A grid of images, without published figures; what it shows is our reading.
title = 'FSAE, figure 4: masks with and without FSAE'
paper = 'fsae'
kind = 'figure'
source = 'none: images'
analysis = ['images']
columns = [
    dict(key='seed', title='seed', stage='cam', split='train', metric='mIoU@oracle'),
    dict(key='mask', title='mask', stage='mask', split='train', metric='mIoU')]
rows = [
    dict(name='PPC + EPS', voc='configs/ppc/ppc-eps-40k_r38_voc.py',
         shapes='configs/demo/ppc-eps_shapes.py'),
    dict(name='+ FAE', voc='configs/fsae/fsae-fae_ppc-eps_r38_voc.py',
         shapes=dict(config='configs/demo/fsae_ppc-eps_shapes.py',
                     options={'model.modules.3.boundary_weight': 0})),
    dict(name='+ FAE + SAE', voc='configs/fsae/fsae_ppc-eps_r38_voc.py',
         shapes='configs/demo/fsae_ppc-eps_shapes.py')]
