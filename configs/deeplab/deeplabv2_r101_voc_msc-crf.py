# The same model tested as in deeplab-pytorch: maximum of three scales, then dense CRF.
# The three settings can be given to any config here by --cfg-options model.test_cfg.scales=...
_base_ = './deeplabv2_r101_voc.py'

model = dict(
    test_cfg=dict(
        scales=(0.5, 0.75, 1.0),
        merge='max',
        crf='deeplab'))
