# CSD's foreground loss alone, which does not help (fig. 6 of the paper).
_base_ = './csd_mctformer_deit-s_voc.py'

model = dict(modules=[dict(_base_.csd, bg_weight=0.)])
