# EADER (2020), table 1: the weight of attention mining. VOC *val* at the threshold .3, six runs:
# --seeds 0 1 2 3 4 5. Precision and recall are without the background.
title = 'EADER, table 1: alpha, VOC val at threshold .3'
paper = 'eader'
kind = 'table'
source = 'EADER, table 1 (VOC val, mean and deviation of six runs)'
analysis = ['sweep']
columns = [dict(key=_key, title=_key, stage='cam', split='val', metric=f'{_key}@0.3')
           for _key in ('mIoU', 'mPrecision', 'mRecall')]
_alpha = 'model.modules.0.alpha'
rows = [
    dict(name=f'alpha {_value}', voc=f'configs/eader/eader_alpha-{_value}_r101_voc.py',
         shapes=dict(config='configs/demo/eader_shapes.py', options={_alpha: float(_value)}),
         voc6=dict(config='projects/voc_animals/configs/eader_mobilenet.py',
                   options={_alpha: float(_value)}),
         published=dict(mIoU=_miou, mPrecision=_precision, mRecall=_recall))
    for _value, _miou, _precision, _recall in [
        ('0', (41.37, 0.26), 58.26, 58.18), ('0.01', (42.51, 0.41), 57.79, 60.88),
        ('0.05', (43.89, 0.40), 54.78, 68.13), ('0.1', (42.88, 0.99), 52.68, 69.31)]]
