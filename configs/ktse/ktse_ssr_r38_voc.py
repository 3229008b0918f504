# KTSE table 6: SSR alone. Published seed on VOC train: 57.4.
_base_ = './ktse_r38_voc.py'

model = dict(modules=[_base_.ssr])
train_dataloader = dict(dataset=dict(views=[]))
