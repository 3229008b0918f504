# KTSE with BECO on VGG16. Published on VOC val/test: 67.3/67.0.
_base_ = './ktse_r38_voc.py'

pipeline = dict(segment=dict(config='configs/beco/beco_vgg16_voc_msc-crf.py'))
