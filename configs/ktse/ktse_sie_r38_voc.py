# KTSE table 6: SIE alone. Published seed on VOC train: 57.1.
_base_ = './ktse_r38_voc.py'

model = dict(modules=[_base_.sie])
