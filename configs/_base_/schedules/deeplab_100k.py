# 100,000 steps, poly 0.9 to zero (COCO).
_base_ = './deeplab_20k.py'

train_cfg = dict(max_iters=100000, val_interval=20000)
default_hooks = dict(checkpoint=dict(interval=20000))
