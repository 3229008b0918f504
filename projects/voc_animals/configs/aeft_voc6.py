# AEFT.
_base_ = './gpp_voc6.py'

model = dict(modules=[dict(type='AdversarialErasingTriplet', **_base_.rise)])
pipeline = dict(baseline='projects/voc_animals/configs/gpp_voc6.py')
