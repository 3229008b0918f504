# KTSE on Shapes, the whole line in a few minutes on two CPU cores:
#   python tools/run_pipeline.py configs/demo/ktse_shapes.py
# and classifier and masks over three seeds:
#   python tools/run_pipeline.py configs/demo/ktse_shapes.py --seeds 0 1 2 \
#       --stages classify cam mask
# KTSE's three modules with the paper's settings, on a global average pooling head: with a few
# hundred steps from scratch the quadratic logits of GPP (gpp_shapes.py) leave only peaks.
_base_ = './cam_shapes.py'

begin, ramp = _base_.begin, _base_.ramp
sie = dict(type='SimulatedInterImageErasing', num_pairs=4, begin=begin, ramp=ramp)
# From scratch, the background channel can die under the code's ReLU of the scores.
ssr = dict(type='SelfSupervisedRegularization', relu_logits=False,
           refiner=dict(type='PAR', dilations=(1, 2, 4, 8)), begin=begin, ramp=ramp)
mga = dict(type='MultiGranularityAlignment', threshold=0.6, begin=begin, ramp=ramp)
model = dict(head=dict(embed_channels=64, background=True), modules=[sie, ssr, mga])
train_dataloader = dict(dataset=dict(views=[dict(type='PairedView', begin=begin)]))

pipeline = dict(
    baseline='configs/demo/cam_shapes.py',
    cam=dict(scales=(1., ), flip=True, batch_size=16),
    # The seeds' threshold, as in the papers. At the best for refined masks the bodies' one colour
    # leads the CRF to most of the object from any seed, see docs/refinement.md.
    mask=dict(type='CRFMask', bg='oracle_seed'),
    segment=dict(config='configs/deeplab/deeplabv2_small_shapes.py'))
