# What the wseg code base calls DeepLabV2, on its ResNet-101, VOC 2012 (PPC, FSAE): ASPP with batch
# norm and global pooling.
_base_ = './deeplabv1_r101-deep_voc.py'

model = dict(decode_head=dict(type='ASPPPoolHead'))
