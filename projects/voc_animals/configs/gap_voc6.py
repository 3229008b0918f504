# Plain CAM, the baseline of the second phases: every method, and the plain CAM itself, goes on from
# the one trained classifier of cam_voc6.py for the same images, half of train_aug, once. All layers
# have one rate, and modules rise over the first third of the steps: at once, their gradients are
# ten times that of the classification.
_base_ = './cam_voc6.py'

train_dataloader = dict(dataset=dict(indices=list(range(0, 3131, 2))))
optim_wrapper = dict(optimizer=dict(lr=0.001), paramwise_cfg=None)
train_cfg = dict(max_epochs=1)
rise = dict(ramp=30, by_epoch=False)

pipeline = dict(start=dict(config='projects/voc_animals/configs/cam_voc6.py', seed=0))
