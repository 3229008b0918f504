# KTSE table 7: rigid classification of the erased image (ACoL). Published seed on VOC train: 55.6.
_base_ = './ktse_r38_voc.py'

model = dict(modules=[dict(type='ErasedClassification', threshold=0.6, begin=_base_.begin)])
train_dataloader = dict(dataset=dict(views=[]))
