# CSD (BMVC 2023), fig. 6: the grid of the two weights. One loss alone does not help there.
# The digest holds the best point of the grid (.01, .1) and the base (0, 0) only; the other points
# are around it.
title = 'CSD, figure 6: weights of the two losses'
paper = 'csd'
kind = 'figure'
source = 'CSD, best point of the grid, and its base (VOC train)'
note = 'On Shapes the weights are a hundred times those named for fg, and those named for bg.'
columns = [
    dict(key='seed', title='seed', stage='cam', split='train', metric='mIoU@oracle')]
_fg, _bg = 'model.modules.0.fg_weight', 'model.modules.0.bg_weight'
_published = {(0., 0.): dict(seed=61.7), (0.01, 0.1): dict(seed=63.8)}
rows = [
    dict(name=f'fg {_f:g}, bg {_b:g}',
         voc=dict(config='configs/csd/csd_mctformer_deit-s_voc.py', options={_fg: _f, _bg: _b})
         if _f or _b else 'configs/mctformer/mctformer_deit-s_voc.py',
         shapes=dict(config='configs/demo/csd_cam_shapes.py', options={_fg: 100 * _f, _bg: _b})
         if _f or _b else 'configs/demo/cam_shapes.py',
         published=_published.get((_f, _b), {}))
    for _f in (0., 0.01, 0.1) for _b in (0., 0.1, 1.)]
