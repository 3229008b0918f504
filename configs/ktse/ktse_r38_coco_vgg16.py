# KTSE on COCO 2014 with BECO on VGG16. Published on val: 37.2.
_base_ = './ktse_r38_coco.py'

pipeline = dict(segment=dict(config='configs/beco/beco_vgg16_coco_msc-crf.py'))
