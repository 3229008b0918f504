# KTSE on the plain CAM classifier, same images and epochs. The modules align what the classifier
# sees, so it must see something first: they act from epoch `begin` on and rise over one epoch.
_base_ = './gap_mobilenet.py'

# MGA's global term is off: in so few steps on so few images it costs a quarter of the seed, see
# the README.
begin, ramp = 3, 1
sie = dict(type='SimulatedInterImageErasing', num_pairs=4, margin=0.05, begin=begin, ramp=ramp)
ssr = dict(type='SelfSupervisedRegularization', refiner=dict(type='PAR'), begin=begin, ramp=ramp)
mga = dict(
    type='MultiGranularityAlignment', threshold=0.6, margin=0.05, global_weight=0., begin=begin,
    ramp=ramp)
model = dict(head=dict(background=True), modules=[sie, ssr, mga])
train_dataloader = dict(dataset=dict(views=[dict(type='PairedView', begin=begin)]))

pipeline = dict(baseline='projects/voc_animals/configs/gap_mobilenet.py')
