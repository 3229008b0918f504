# The same model tested as in MCTformer: maximum of the probabilities at five scales, then CRF.
_base_ = './deeplabv1_r38_mct_voc.py'

model = dict(
    test_cfg=dict(scales=(0.5, 0.75, 1.0, 1.25, 1.5), merge='prob_max', crf='mct_seg'))
