# FSAE on PPC with EPS, segmented by the wseg code base's DeepLabV1-R101. Published on
# VOC val/test: 73.7/75.3.
_base_ = './fsae_ppc-eps_r38_voc.py'

pipeline = dict(segment=dict(config='configs/deeplab/deeplabv1_r101-deep_voc_msc-crf.py'))
