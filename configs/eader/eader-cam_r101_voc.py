# EADER with CAM instead of Grad-CAM as the attention, without ReLU in training and at inference.
_base_ = './eader_r101_voc.py'

model = dict(
    modules=[dict(type='AdversarialErasing', alpha=0.05, beta=1e-5, attention='cam')], cam=None,
    test_cfg=dict(relu='none'))
