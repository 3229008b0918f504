# The same model tested as in wseg: mean logits of six scales and their mirror images, then CRF.
_base_ = './deeplabv1_r38_voc.py'

model = dict(test_cfg=dict(scales=(0.5, 0.75, 1.0, 1.25, 1.5, 1.75), flip=True, crf='deeplab'))
