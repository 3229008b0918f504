# SIPE on Shapes.
_base_ = './cam_shapes.py'

sipe = dict(type='ImageSpecificPrototypes')
model = dict(
    backbone=dict(out_indices=(0, 1, 2)),
    head=dict(
        _delete_=True, type='SIPEHead', num_classes=6, in_channels=(16, 32, 64),
        side_channels=(32, 32, 64)),
    modules=[sipe])
pipeline = dict(mask=dict(type='CRFMask', bg='own'))
