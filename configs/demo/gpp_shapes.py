# Gated pyramid pooling on Shapes, classification only: the baseline that KTSE's paper compares
# with.
_base_ = './cam_shapes.py'

model = dict(head=dict(_delete_=True, type='GPPHead', num_classes=6, in_channels=64,
                       embed_channels=64))
