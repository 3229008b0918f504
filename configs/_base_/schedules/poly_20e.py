# RCM+MAM's training: 20 epochs of batch 16 at rate .01, polynomial decay of power .9 per step. The
# paper gives no groups, weight decay or momentum; these are the field's.
max_epochs = 20
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
