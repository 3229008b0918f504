# Plain CAM, the baseline of the second phases: every method, and the plain CAM itself, goes on from
# the one trained classifier of cam_voc6.py for the same images, half of train_aug, once.
_base_ = './cam_voc6.py'

train_dataloader = dict(dataset=dict(indices=list(range(0, 3131, 2))))
train_cfg = dict(max_epochs=1)

start = 'projects/voc_animals/configs/cam_voc6.py'
pipeline = dict(start=dict(config=start, seed=0))
