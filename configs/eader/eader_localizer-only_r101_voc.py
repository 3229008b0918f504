# EADER's baseline without an adversary: the localizer and its size regularisation learn in every
# step, instead of in 200 of 400 as in table 1's alpha = 0 (eader_alpha-0_r101_voc.py).
_base_ = './eader_r101_voc.py'

model = dict(networks=None, modules=[dict(type='AdversarialErasing', alpha=0., beta=1e-5)])
optim_wrapper = dict(_delete_=True, type='OptimWrapper', optimizer=_base_.optimizer)
train_cfg = dict(phases=None)
find_unused_parameters = False
