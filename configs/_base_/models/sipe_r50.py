_base_ = ['./irn_r50.py']

# SIPE: all four stages make the hierarchical feature of the image-specific prototypes.
model = dict(
    backbone=dict(out_indices=(0, 1, 2, 3)),
    head=dict(
        _delete_=True,
        type='SIPEHead',
        num_classes=20,
        in_channels=(256, 512, 1024, 2048),
        side_channels=(128, 128, 256, 256)))
