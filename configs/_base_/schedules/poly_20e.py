# RCM+MAM's training: 20 epochs of batch 16 at rate .01. The paper gives no groups, weight decay or
# momentum; these are the field's.
_base_ = './poly.py'

train_cfg = dict(max_epochs=20)
