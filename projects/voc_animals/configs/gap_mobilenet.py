# The plain CAM classifier, as in IRN: 1x1 convolution and global average pooling.
_base_ = './gpp_mobilenet.py'

model = dict(head=dict(_delete_=True, type='GAPHead', num_classes=6, in_channels=768))
