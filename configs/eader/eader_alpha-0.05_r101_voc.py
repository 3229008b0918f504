# EADER, table 1, alpha = 0.05, the default. Published on VOC val: mIoU 43.89 +- .40, precision
# 54.78, recall 68.13.
_base_ = './eader_r101_voc.py'
