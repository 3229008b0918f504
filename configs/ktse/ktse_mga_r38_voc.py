# KTSE tables 6 and 7: MGA alone. Published seed on VOC train: 60.2.
_base_ = './ktse_r38_voc.py'

model = dict(modules=[_base_.mga])
train_dataloader = dict(dataset=dict(views=[]))
