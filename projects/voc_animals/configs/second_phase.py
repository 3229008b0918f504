# The second phase of a comparison: every method, and the plain CAM itself, goes on from the one
# trained classifier of cam_efficientnet.py for the same images, half of train_aug, once.
_base_ = './cam_efficientnet.py'

train_dataloader = dict(dataset=dict(indices=list(range(0, 3131, 2))))
optim_wrapper = dict(optimizer=dict(lr=0.001))
train_cfg = dict(max_epochs=1)

pipeline = dict(start=dict(config='projects/voc_animals/configs/cam_efficientnet.py', seed=0))
