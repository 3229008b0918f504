# EADER: the classifier against an adversary of the same make, from ImageNet. The phases share the
# steps, so that the localizer has as many as the baseline; eader-alpha0_voc6.py is the row to
# compare with.
_base_ = './gap_voc6.py'

network = dict(backbone=_base_.model.backbone, head=_base_.model.head)
model = dict(
    networks=dict(adversary=dict(type='CAMNetwork', **network)),
    modules=[dict(type='AdversarialErasing', alpha=0.05, beta=1e-5)],
    cam=dict(type='GradCAM'))
optimizer = _base_.optim_wrapper.optimizer
optim_wrapper = dict(
    _delete_=True,
    constructor='MultiOptimWrapperConstructor',
    localizer=dict(params=('backbone', 'head'), optimizer=optimizer),
    adversary=dict(
        params=('networks.adversary', ), optimizer=dict(optimizer, lr=0.003),
        paramwise_cfg=dict(new_layers=('networks.adversary.head', ), new_lr_mult=10.)))
train_cfg = dict(
    max_epochs=2,
    phases=[dict(optim='localizer', steps=49), dict(optim='adversary', steps=49)])
find_unused_parameters = True

pipeline = dict(baseline='projects/voc_animals/configs/eader-alpha0_voc6.py')
