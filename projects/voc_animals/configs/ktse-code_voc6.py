# KTSE as its released code has it: labels of the present CAM, foreground at .0125.
_base_ = './gpp_voc6.py'

sie = dict(type='SimulatedInterImageErasing', num_pairs=4, **_base_.rise)
ssr = dict(type='SelfSupervisedRegularization', **_base_.rise)
mga = dict(type='MultiGranularityAlignment', **_base_.rise)
model = dict(modules=[sie, ssr, mga])
train_dataloader = dict(dataset=dict(views=[dict(type='PairedView')]))
pipeline = dict(baseline='projects/voc_animals/configs/gpp_voc6.py')
