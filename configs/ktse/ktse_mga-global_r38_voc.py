# KTSE table 7: global alignment alone. Published seed on VOC train: 58.7.
_base_ = './ktse_r38_voc.py'

model = dict(modules=[dict(_base_.mga, local_weight=0)])
train_dataloader = dict(dataset=dict(views=[]))
