# The baseline of FSAE's table: PPC with EPS at FSAE's 40,000 steps. Published there: seed 70.5,
# mask (CRF) 73.3.
_base_ = './ppc-eps_r38_voc.py'

max_iters = 40000
train_cfg = dict(max_iters=max_iters, val_begin=max_iters, val_interval=max_iters)
param_scheduler = [dict(type='MaxStepPolyLR', power=0.9, end=max_iters, by_epoch=False)]
