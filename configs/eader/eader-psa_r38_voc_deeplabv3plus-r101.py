# EADER in PSA with DeepLabV3+ on ResNet-101. Published on VOC val/test: 62.5/63.0.
_base_ = './eader-psa_r38_voc.py'

pipeline = dict(segment=dict(config='configs/deeplab/deeplabv3plus_r101_voc.py'))
