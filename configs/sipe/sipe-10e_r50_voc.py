# The baseline of FSAE's table: SIPE for FSAE's 10 epochs. Published there: seed 58.6, mask (CRF)
# 64.7.
_base_ = './sipe_r50_voc.py'

train_cfg = dict(max_epochs=10)
