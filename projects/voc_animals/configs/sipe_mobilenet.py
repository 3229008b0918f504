# SIPE, same images and epochs as the baseline.
_base_ = './gpp_mobilenet.py'

sipe = dict(type='ImageSpecificPrototypes')
model = dict(
    backbone=dict(out_indices=(2, 4, 10, 12)),
    head=dict(
        _delete_=True, type='SIPEHead', num_classes=6, in_channels=(96, 192, 384, 768),
        side_channels=(64, 64, 128, 128)),
    modules=[sipe])
pipeline = dict(mask=dict(bg='own'))
