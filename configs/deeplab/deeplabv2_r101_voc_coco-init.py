# DeepLabV2 on ResNet-101, VOC 2012, from the weights of deeplab-pytorch (SIPE's VOC figures, EPS):
# trained for *segmentation* on COCO, so they have seen ground truth. Caffe's network: stride in the
# first 1x1 convolution, pooling that rounds up, BGR minus mean.
_base_ = './deeplabv2_r101_voc.py'

model = dict(
    data_preprocessor=dict(
        mean=[104.008, 116.669, 122.675], std=[1., 1., 1.], bgr_to_rgb=False),
    backbone=dict(
        style='caffe',
        ceil_mode=True,
        init_cfg=dict(
            type='Pretrained', checkpoint='pretrain/deeplabv1_resnet101-coco.pth')))
