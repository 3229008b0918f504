# SEAM's training: 8 epochs of batch 8 at rate .01.
_base_ = './poly.py'

train_cfg = dict(max_epochs=8)
