# FSAE on SIPE, segmented by the wseg code base's DeepLabV1-R101. Published on
# VOC val/test: 70.3/72.6.
_base_ = './fsae_sipe_r50_voc.py'

pipeline = dict(segment=dict(config='configs/deeplab/deeplabv1_r101-deep_voc_msc-crf.py'))
