# EADER's training: 10 epochs, localizer and adversary in turns of 200 steps, each by SGD at a
# constant rate of .01.
train_cfg = dict(
    type='WSSSTrainLoop',
    max_epochs=10,
    val_interval=None,
    phases=[dict(optim='localizer', steps=200), dict(optim='adversary', steps=200)])
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')
# One rate for all: the released code has no parameter groups, and decays all parameters.
optimizer = dict(type='SGD', lr=0.01, momentum=0.9, weight_decay=1e-4)
optim_wrapper = dict(
    constructor='MultiOptimWrapperConstructor',
    localizer=dict(params=('backbone', 'head'), optimizer=optimizer),
    adversary=dict(params=('networks.adversary', ), optimizer=optimizer))
param_scheduler = None
find_unused_parameters = True  # each phase leaves the other's parameters without gradient
