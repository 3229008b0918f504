# The same model tested as in deeplab-pytorch: maximum of three scales, then dense CRF.
_base_ = './deeplabv2_r101_coco.py'

model = dict(
    test_cfg=dict(
        scales=(0.5, 0.75, 1.0),
        merge='max',
        crf=dict(
            iters=10, gauss_sxy=1, gauss_compat=3, bilateral_sxy=67, bilateral_srgb=3,
            bilateral_compat=4)))
