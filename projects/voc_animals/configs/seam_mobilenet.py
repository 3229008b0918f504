# SEAM, same images and epochs as the baseline. Its head compares three feature maps of one size.
_base_ = './gpp_mobilenet.py'

seam = dict(type='SelfSupervisedEquivariantAttention', scale=0.5)
model = dict(
    backbone=dict(out_indices=(6, 10, 12)),
    head=dict(
        _delete_=True, type='SEAMHead', num_classes=6, in_channels=(384, 384, 768), drop=0.),
    modules=[seam],
    cls_views=('image', 'x0.5'),
    cls_weight=0.5)
