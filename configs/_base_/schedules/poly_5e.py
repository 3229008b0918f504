# IRN's training of the CAM classifier, also SIPE's: 5 epochs of batch 16 at rate .1.
_base_ = './poly.py'

train_cfg = dict(max_epochs=5)
optim_wrapper = dict(optimizer=dict(lr=0.1, weight_decay=1e-4))
