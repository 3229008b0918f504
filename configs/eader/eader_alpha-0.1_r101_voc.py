# EADER, table 1, alpha = 0.1. Published on VOC
# val: mIoU 42.88 +- .99, precision 52.68, recall 69.31.
_base_ = './eader_r101_voc.py'

model = dict(modules=[dict(type='AdversarialErasing', alpha=0.1, beta=1e-5)])
