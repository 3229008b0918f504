# EADER, table 1, alpha = 0. Published on VOC
# val: mIoU 41.37 +- .26, precision 58.26, recall 58.18.
# The localizer still learns in 200 of 400 steps; eader_localizer-only_r101_voc.py has no turns.
_base_ = './eader_r101_voc.py'

model = dict(modules=[dict(type='AdversarialErasing', alpha=0., beta=1e-5)])
