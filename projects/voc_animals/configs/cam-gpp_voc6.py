# The first phase of AEFT and KTSE, whose head is gated pyramid pooling: one more epoch of
# cam_voc6.py's classifier with that head. The gates are new.
_base_ = './cam_voc6.py'

model = dict(head=dict(type='GPPHead'))
train_cfg = dict(max_epochs=1)
pipeline = dict(start=dict(config='projects/voc_animals/configs/cam_voc6.py', seed=0))
