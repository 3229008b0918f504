# voc6: DeepLabV2 from the CRF masks of second phases of two_phase.py, and from the ground truth of
# the same images.
#   python tools/reproduce.py projects/voc_animals/segmentation.py --data voc6 --seeds 0
title = 'voc6: segmentation'
paper = 'voc_animals'
kind = 'table'
source = 'none: images of our own choice'
columns = [
    dict(key='mask', title='mask, train', stage='mask', split='train', metric='mIoU'),
    dict(key='val', title='segmentation, val', stage='segment', split='val', metric='mIoU'),
    dict(key='truth', title='from ground truth, val', stage='supervised', split='val',
         metric='mIoU')]
_configs = 'projects/voc_animals/configs'
_supervised = dict(supervised=dict(type='SegmentStage', ground_truth=True))
rows = [
    dict(name=_name, voc6=dict(
        config=f'{_configs}/{_config}_voc6.py',
        options={'pipeline.baseline': None, **_options}))
    for _name, _config, _options in (
        ('plain CAM', 'gap', {}), ('SEAM', 'seam', {}), ('EADER', 'eader', {}),
        ('KTSE', 'ktse', {}), ('SIPE + CSD', 'csd_sipe', {}),
        ('ground truth', 'gap', {
            'pipeline.stages': dict(cam=None, mask=None, segment=None, **_supervised)}))]
