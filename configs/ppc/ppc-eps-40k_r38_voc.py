# The baseline of FSAE's table: PPC with EPS at FSAE's 40,000 steps. Published there: seed 70.5,
# mask (CRF) 73.3. The original's rate is zero from step 39,660 on (30 epochs of 1,322), here at the
# end.
_base_ = './ppc-eps_r38_voc.py'

train_cfg = dict(max_iters=40000)
