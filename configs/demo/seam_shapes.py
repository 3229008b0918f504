# SEAM on Shapes. Its head compares feature maps of one size, so all stages have stride 8.
_base_ = './cam_shapes.py'

seam = dict(type='SelfSupervisedEquivariantAttention', scale=0.5)
model = dict(
    backbone=dict(strides=(2, 1, 1), dilations=(1, 1, 2), out_indices=(0, 1, 2)),
    head=dict(
        _delete_=True, type='SEAMHead', num_classes=6, in_channels=(16, 32, 64),
        mid_channels=(16, 32), pcm_channels=48, drop=0.),
    modules=[seam],
    cls_views=('image', 'x0.5'),
    cls_weight=0.5)
