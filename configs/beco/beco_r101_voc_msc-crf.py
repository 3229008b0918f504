# The same models tested as in KTSE: maximum of their mean logits at three scales, then dense CRF.
_base_ = './beco_r101_voc.py'

model = dict(test_cfg=dict(scales=(0.75, 1.0, 1.25), merge='max', crf='deeplab'))
