# EADER (2020) in PSA, on VOC *val*.
paper = 'eader'
kind = 'table'
source = 'EADER, in PSA (VOC val)'
note = 'On Shapes the base is the plain CAM.'
_val = 'ImageSets/Segmentation/val.txt'
_on_val = {'val_dataloader.dataset.ann_file': _val, 'test_dataloader.dataset.ann_file': _val}
_cam = {'model.cam': None, 'model.modules.0.attention': 'cam', 'model.modules.0.relu': True,
        'model.modules.0.norm': 'max'}
rows = [
    dict(name='PSA', voc=dict(config='configs/psa/psa_r38_voc.py', options=_on_val),
         shapes='configs/demo/cam_shapes.py',
         voc6='projects/voc_animals/configs/psa_voc6.py'),
    dict(name='PSA + EADER', voc='configs/eader/eader-psa_r38_voc.py',
         shapes=dict(config='configs/demo/eader_shapes.py', options=_cam))]
