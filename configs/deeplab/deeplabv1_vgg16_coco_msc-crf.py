# The same model tested at three scales (maximum), then dense CRF.
_base_ = './deeplabv1_vgg16_coco.py'

model = dict(test_cfg=dict(scales=(0.75, 1.0, 1.25), merge='max', crf='deeplab'))
