# SIPE. The convolutions of its hierarchical feature are new.
_base_ = './gap_voc6.py'

sipe = dict(type='ImageSpecificPrototypes', **_base_.rise)
model = dict(
    backbone=dict(out_indices=(1, 2, 3, -1)),
    head=dict(
        _delete_=True, type='SIPEHead', num_classes=6, in_channels=(24, 40, 112, 1280),
        side_channels=(64, 64, 128, 128), embed_channels=256, background=True),
    modules=[sipe])
pipeline = dict(mask=dict(bg='own'), baseline='projects/voc_animals/configs/gap_voc6.py')
