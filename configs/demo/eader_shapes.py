# EADER on Shapes: the plain classifier of cam_shapes.py against an adversary of the same make. The
# phases share the steps, 16 epochs for each network; eader-alpha0_shapes.py is the row to
# compare with.
_base_ = './cam_shapes.py'

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
    adversary=dict(params=('networks.adversary', ), optimizer=optimizer))
train_cfg = dict(
    max_epochs=32,
    phases=[dict(optim='localizer', steps=25), dict(optim='adversary', steps=25)])
find_unused_parameters = True
pipeline = dict(baseline='configs/demo/eader-alpha0_shapes.py')
