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
# As the released scripts: CRFs of labels, among all 21, for AffinityNet, and a constant background
# of .27 in the walk (their exponent is not used).
pipeline = dict(
    affinity=dict(labels=dict(unary='labels', all_labels=21)),
    mask=dict(_delete_=True, type='PSAMask', bg=0.27, beta=8, log_steps=6))
