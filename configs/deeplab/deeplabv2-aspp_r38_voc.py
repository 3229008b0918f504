# The wseg code base's DeepLabV2 on ResNet38, VOC 2012.
_base_ = './deeplabv1_r38_voc.py'

model = dict(decode_head=dict(type='ASPPPoolHead'))
