# EADER (2020) alone with weights alpha of attention mining: its maps on VOC *val* at threshold .3.
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
         voc6=dict(config='projects/voc_animals/configs/eader_voc6.py',
                   options={_alpha: float(_value)}))
    for _value in ('0', '0.01', '0.05', '0.1')]
