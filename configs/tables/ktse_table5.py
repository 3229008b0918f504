# KTSE (ECCV 2024): the weights of SSR.
# The digest does not hold this table, only the weights chosen (w_fg .0125, lambda_inter .005); the
# other rows are around them, without published figures.
title = 'KTSE, table 5: weights of the self-supervised regularization'
paper = 'ktse'
kind = 'table'
source = 'KTSE, result on VOC train with the weights chosen'
columns = [
    dict(key='seed', title='seed', stage='cam', split='train', metric='mIoU@oracle',
         voc={'pipeline.cam.relu': 'each'})]
_fg, _inter = 'model.modules.1.fg_weight', 'model.modules.1.inter_weight'
_weights = [(0.0125, 0.005), (0.05, 0.005), (0.003, 0.005), (0.0125, 0.), (0.0125, 0.02)]
rows = [
    dict(name=f'w_fg {_f:g}, lambda_inter {_i:g}', options={_fg: _f, _inter: _i},
         voc='configs/ktse/ktse_r38_voc.py', shapes='configs/demo/ktse_shapes.py',
         published=dict(seed=67.0) if (_f, _i) == (0.0125, 0.005) else {}) for _f, _i in _weights]
