# MCTformer on Shapes: a small transformer from scratch, patches of 8.
_base_ = './cam_shapes.py'

model = dict(
    backbone=dict(
        _delete_=True, type='MCTDeiT', num_classes=6, img_size=112, patch_size=8, embed_dims=96,
        depth=6, num_heads=3),
    head=dict(
        _delete_=True, type='MCTHead', num_classes=6, in_channels=96, train_layers=6,
        infer_layers=2))
