# RCM + MAM (arXiv 2112.05351), table 5: the scales of the CAM. One training for all rows.
# The scale variance of section 4 (its mean and sigma) is left out: the digest does not define it.
title = 'RCM + MAM, table 5: scales of the CAM'
paper = 'rcm_mam'
kind = 'table'
source = 'RCM + MAM, table 5 (VOC train)'
columns = [
    dict(key='seed', title='seed', stage='cam', split='train', metric='mIoU@oracle')]
rows = [
    dict(name=' + '.join(map(str, _scales)), options={'pipeline.cam.scales': _scales},
         voc='configs/rcm_mam/rcm-mam_r38_voc.py', shapes='configs/demo/rcm-mam_shapes.py',
         published=dict(seed=_seed))
    for _scales, _seed in [((0.5, ), 60.8), ((1., ), 62.8), ((1.5, ), 61.7), ((2., ), 59.7),
                           ((0.5, 1., 1.5, 2.), 63.7)]]
