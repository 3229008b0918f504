# MAM alone.
_base_ = './rcm-mam_voc6.py'

model = dict(modules=[_base_.mam])
