# EADER (2020): in PSA, the CAM on VOC val.
# The number of this table is our reading: the digest gives the figures without one.
title = 'EADER, table 2: in PSA, the CAM on VOC val'
paper = 'eader'
kind = 'table'
source = 'EADER, in PSA (VOC val)'
note = 'On Shapes the base is the plain CAM.'
columns = [dict(key='seed', title='CAM', stage='cam', split='val', metric='mIoU@oracle')]
_val = 'ImageSets/Segmentation/val.txt'
_on_val = {'val_dataloader.dataset.ann_file': _val, 'test_dataloader.dataset.ann_file': _val}
_cam = {'model.cam': None, 'model.modules.0.attention': 'cam'}
_psa = dict(
    name='PSA', voc=dict(config='configs/psa/psa_r38_voc.py', options=_on_val),
    shapes='configs/demo/cam_shapes.py',
    voc6='projects/voc_animals/configs/gap_mobilenet.py')
_eader = dict(
    name='PSA + EADER', voc='configs/eader/eader-psa_r38_voc.py',
    shapes=dict(config='configs/demo/eader_shapes.py', options=_cam))
rows = [dict(**_psa, published=dict(seed=46.8)), dict(**_eader, published=dict(seed=48.6))]
