# FAE and SAE of FSAE (WACV 2025) on PPC with EPS; no published figures.
paper = 'fsae'
kind = 'figure'
source = 'none: images'
analysis = ['images']
columns = [
    dict(key='seed', title='seed', stage='cam', split='train', metric='mIoU@oracle')]
rows = [
    dict(name='PPC + EPS', voc='configs/ppc/ppc-eps-40k_r38_voc.py',
         shapes='configs/demo/ppc-eps_shapes.py'),
    dict(name='+ FAE', voc='configs/fsae/fsae-fae_ppc-eps_r38_voc.py',
         shapes=dict(config='configs/demo/fsae_ppc-eps_shapes.py',
                     options={'model.modules.3.boundary_weight': 0})),
    dict(name='+ FAE + SAE', voc='configs/fsae/fsae_ppc-eps_r38_voc.py',
         shapes='configs/demo/fsae_ppc-eps_shapes.py')]
