# SEAM. Its head compares three feature maps of one size; its pixel correlation is new.
_base_ = './gap_voc6.py'

seam = dict(type='SelfSupervisedEquivariantAttention', scale=0.5, **_base_.rise)
model = dict(
    backbone=dict(out_indices=(3, 4, -1)),
    head=dict(
        _delete_=True, type='SEAMHead', num_classes=6, in_channels=(112, 320, 1280),
        embed_channels=256, drop=0.),
    modules=[seam],
    cls_views=('image', 'x0.5'),
    cls_weight=0.5)
pipeline = dict(baseline='projects/voc_animals/configs/gap_voc6.py')
