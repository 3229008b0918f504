# EADER (2020), fig. 4: attention maps for several alpha.
# A grid of images, without published figures; what it shows is our reading.
title = 'EADER, figure 4: attention maps for several alpha'
paper = 'eader'
kind = 'figure'
source = 'none: images'
analysis = ['images']
columns = [
    dict(key='mIoU', title='mIoU', stage='cam', split='val', metric='mIoU@0.3')]
_alpha = 'model.modules.0.alpha'
rows = [
    dict(name=f'alpha {_value}', voc=f'configs/eader/eader_alpha-{_value}_r101_voc.py',
         shapes=dict(config='configs/demo/eader_shapes.py', options={_alpha: float(_value)}),
         voc6=dict(config='projects/voc_animals/configs/eader_mobilenet.py',
                   options={_alpha: float(_value)}))
    for _value in ('0', '0.01', '0.05', '0.1')]
