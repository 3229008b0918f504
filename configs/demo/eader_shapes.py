# EADER on Shapes: the plain classifier of cam_shapes.py against an adversary of the same make. The
# phases share the steps, 16 epochs for each network; eader-alpha0_shapes.py is the row to
# compare with.
_base_ = './cam_shapes.py'

epochs = 32
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
param_scheduler = [
    dict(type='LinearLR', start_factor=0.1, begin=0, end=25, by_epoch=False),
    dict(type='PolyLR', power=0.9, eta_min=1e-5, begin=1, end=epochs, by_epoch=True,
         convert_to_iter_based=True),
]
train_cfg = dict(
    max_epochs=epochs,
    val_begin=epochs,
    phases=[dict(optim='localizer', steps=25), dict(optim='adversary', steps=25)])
find_unused_parameters = True
pipeline = dict(baseline='configs/demo/eader-alpha0_shapes.py')
