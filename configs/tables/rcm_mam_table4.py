# RCM + MAM (arXiv 2112.05351): segmentation on VOC with DeepLab-ResNet38.
# The number of this table is our reading: the digest gives the figures without one.
# The digest holds no figure of the baseline's segmentation.
title = 'RCM + MAM, table 4: segmentation on VOC'
paper = 'rcm_mam'
kind = 'table'
source = 'RCM + MAM, results on VOC val and test'
_segment = {'pipeline.segment.config': 'configs/deeplab/deeplabv1_r38_voc_msc-crf.py'}
_small = {'pipeline.segment.config': 'configs/deeplab/deeplabv2_small_shapes.py'}
_column = dict(stage='segment', metric='mIoU', voc=_segment, shapes=_small)
columns = [dict(key='val', title='val', split='val', **_column),
           dict(key='test', title='test', split='test', **_column)]
# RCM + MAM without its modules, so that its masks are made in the same way.
_plain = dict(config='configs/rcm_mam/rcm-mam_r38_voc.py', modules=[],
              options={'model.teacher': False, 'train_cfg.ema': None})
rows = [
    dict(name='baseline', voc=_plain, shapes='configs/demo/embed_shapes.py'),
    dict(name='RCM + MAM', voc='configs/rcm_mam/rcm-mam_r38_voc.py',
         shapes='configs/demo/rcm-mam_shapes.py', published=dict(val=69.7, test=70.9))]
