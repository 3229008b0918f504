# SEAM's training: 8 epochs of batch 8 at rate .01, polynomial decay of power .9 per step, weight
# decay 5e-4 on weights, new layers 10 times the rate. The momentum really is the weight decay, see
# legacy_momentum.
max_epochs = 8
train_cfg = dict(type='WSSSTrainLoop', max_epochs=max_epochs, val_interval=max_epochs)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')
optim_wrapper = dict(
    type='OptimWrapper',
    constructor='WSSSOptimWrapperConstructor',
    optimizer=dict(type='SGD', lr=0.01, weight_decay=5e-4),
    paramwise_cfg=dict(new_layers=('head', 'ideas'), legacy_momentum=True))
param_scheduler = [
    dict(
        type='MaxStepPolyLR',
        power=0.9,
        end=max_epochs,
        by_epoch=True,
        convert_to_iter_based=True)
]
