# SEAM's training: 8 epochs of batch 8 at rate .01, polynomial decay of power .9 per step, new layers
# 10 times the rate. The momentum really is 5e-4: the original's optimizer class takes the weight decay
# for it, and .9 is only the power of the decay.
max_epochs = 8
train_cfg = dict(type='WSSSTrainLoop', max_epochs=max_epochs, val_interval=max_epochs)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')
optim_wrapper = dict(
    type='OptimWrapper',
    optimizer=dict(type='SGD', lr=0.01, momentum=5e-4, weight_decay=5e-4),
    paramwise_cfg=dict(custom_keys={'head.': dict(lr_mult=10.), 'ideas.': dict(lr_mult=10.)}))
param_scheduler = [
    dict(
        type='PolyLR',
        eta_min=0.,
        power=0.9,
        begin=0,
        end=max_epochs,
        by_epoch=True,
        convert_to_iter_based=True)
]
