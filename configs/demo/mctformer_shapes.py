# MCTformer on Shapes: a small transformer from scratch, patches of 8. A stem of convolutions,
# stochastic depth, and a patch CAM that not every patch must show take the place of DeiT's weights;
# without them its CAMs fire anywhere.
_base_ = './cam_shapes.py'

model = dict(
    backbone=dict(
        _delete_=True, type='MCTDeiT', num_classes=6, img_size=80, patch_size=8, embed_dims=96,
        depth=3, num_heads=3, drop_path_rate=0.5, stem=(32, 64)),
    head=dict(
        _delete_=True, type='MCTHead', num_classes=6, in_channels=96, train_layers=3,
        infer_layers=2, decay=0.9, refine=False))
pipeline = dict(cam=dict(scales=(1., ), flip=True))
