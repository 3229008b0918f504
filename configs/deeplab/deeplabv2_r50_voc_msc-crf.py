# The same model tested as in deeplab-pytorch: maximum of three scales, then dense CRF.
_base_ = './deeplabv2_r50_voc.py'

model = dict(test_cfg=dict(scales=(0.5, 0.75, 1.0), merge='max', crf='deeplab'))
