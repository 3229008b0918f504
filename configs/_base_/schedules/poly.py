# The field's training by SGD: polynomial decay of power .9 per step, weight decay on weights, new
# layers 10 times the rate, biases twice. The momentum really is the weight decay, see
# legacy_momentum. The rate falls over the length of the training (param_scheduler without `end`),
# which stands in train_cfg alone; methods differ in it, in rate, and in weight decay.
train_cfg = dict(type='WSSSTrainLoop', max_epochs=15, val_interval=None)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')
optim_wrapper = dict(
    type='OptimWrapper',
    constructor='WSSSOptimWrapperConstructor',
    optimizer=dict(type='SGD', lr=0.01, weight_decay=5e-4),
    paramwise_cfg=dict(new_layers=('head', 'wsss_modules'), legacy_momentum=True))
param_scheduler = [
    dict(type='MaxStepPolyLR', power=0.9, by_epoch=True, convert_to_iter_based=True)
]
