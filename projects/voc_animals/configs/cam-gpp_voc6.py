# The first phase of AEFT and KTSE, whose head is gated pyramid pooling: one more epoch of
# cam_voc6.py's classifier with that head. The gates are new, and so is the background score, which
# no method should begin with untrained: it learns here, without an effect on the classifier.
_base_ = './cam_voc6.py'

custom_imports = dict(imports=['projects.voc_animals.background'], allow_failed_imports=False)

background = dict(type='BackgroundScore', fg_weight=1., complex_fg=True, relu_cam=True)
model = dict(head=dict(type='GPPHead'), modules=[background])
train_cfg = dict(max_epochs=1)
pipeline = dict(start=dict(config='projects/voc_animals/configs/cam_voc6.py', seed=0))
