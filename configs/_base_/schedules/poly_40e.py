# AEFT's and KTSE's training: 40 epochs at rate .01, polynomial decay of power .9 per step over
# max_step = 40 epochs of the *first* batch size (so a growing batch ends at .41 of the rate),
# weight decay 5e-4 on weights. No layer counts as new: all weights have the same rate. The momentum
# really is the weight decay, see legacy_momentum.
max_epochs = 40
train_cfg = dict(type='WSSSTrainLoop', max_epochs=max_epochs, val_interval=max_epochs)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')
optim_wrapper = dict(
    type='OptimWrapper',
    constructor='WSSSOptimWrapperConstructor',
    optimizer=dict(type='SGD', lr=0.01, weight_decay=5e-4),
    paramwise_cfg=dict(new_layers=(), legacy_momentum=True))
param_scheduler = [
    dict(
        type='MaxStepPolyLR',
        power=0.9,
        end=max_epochs,
        by_epoch=True,
        convert_to_iter_based=True)
]
