# PPC with EPS on SEAM's network. Needs saliency maps (any detector's; the published ones are
# PFAN's): <data_root>/saliency/<id>.png, grey, 255 salient.
_base_ = './seam_r38.py'

second = dict(size=128)  # the reduced view, shared by all modules
seam = dict(type='SelfSupervisedEquivariantAttention', **second)
eps = dict(type='ExplicitPseudoPixelSupervision', tau=0.4, alpha=0.5, revised=True, **second)
ppc = dict(type='PixelToPrototypeContrast', bg_score=0.1, top_fraction=1 / 16, **second)
model = dict(
    # The background score is trained, so inference takes probabilities. That branch does not bring
    # its maps to the size of the image.
    head=dict(drop=0., infer='softmax', full_size=False),
    modules=[seam, eps, ppc],
    cls_views=('image', 's128'),
    cls_weight=0.5,
    test_cfg=dict(scales=(0.5, 1.0, 1.5, 2.0), flip=True))
