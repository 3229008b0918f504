# KTSE table 7: soft alignment of GPP features (AEFT's attraction). Published seed on VOC
# train: 54.9.
_base_ = './ktse_r38_voc.py'

model = dict(
    modules=[dict(type='AdversarialErasingTriplet', repulse_weight=0, begin=_base_.begin)])
train_dataloader = dict(dataset=dict(views=[]))
