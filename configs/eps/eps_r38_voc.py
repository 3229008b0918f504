# EPS (CVPR 2021) alone on SEAM's network: classification and saliency loss on the image. The
# original's repository was not at hand; batch, steps and augmentation are those of PPC with EPS.
_base_ = '../ppc/ppc-eps_r38_voc.py'

model = dict(
    modules=[dict(type='ExplicitPseudoPixelSupervision', tau=0.4, alpha=0.5)],
    cls_views=('image', ),
    cls_weight=1.)
