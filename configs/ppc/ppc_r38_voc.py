# PPC (CVPR 2022) on SEAM. Published on VOC train: seed 61.5, mask (PSA) 69.2 mIoU; val/test
# 67.7/67.4 with DeepLabV1. Settings of the released branch master.
_base_ = '../seam/seam_r38_voc.py'

second = dict(size=128)  # the reduced view, shared by all modules
model = dict(
    modules=[
        dict(type='SelfSupervisedEquivariantAttention', **second),
        dict(type='PixelToPrototypeContrast', bg_score=0.2, top_fraction=1 / 8, **second),
    ],
    cls_views=('image', 's128'))
