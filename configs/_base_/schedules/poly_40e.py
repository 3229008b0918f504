# AEFT's and KTSE's training: 40 epochs at rate .01, decay over 40 epochs of the *first* batch size,
# so a growing batch ends at .41 of the rate. No layer counts as new: all weights have one rate.
_base_ = './poly.py'

train_cfg = dict(max_epochs=40)
optim_wrapper = dict(paramwise_cfg=dict(new_layers=()))
