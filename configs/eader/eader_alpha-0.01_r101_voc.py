# EADER, table 1, alpha = 0.01. Published on VOC
# val: mIoU 42.51 +- .41, precision 57.79, recall 60.88.
_base_ = './eader_r101_voc.py'

model = dict(modules=[dict(type='AdversarialErasing', alpha=0.01, beta=1e-5)])
