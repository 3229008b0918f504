# KTSE table 6: SIE and SSR. Published seed on VOC train: 63.8.
_base_ = './ktse_r38_voc.py'

model = dict(modules=[_base_.sie, _base_.ssr])
