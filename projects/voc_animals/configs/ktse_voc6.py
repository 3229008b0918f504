# KTSE.
_base_ = './gap_voc6.py'

sie = dict(type='SimulatedInterImageErasing', num_pairs=4)
ssr = dict(type='SelfSupervisedRegularization')
mga = dict(type='MultiGranularityAlignment')
model = dict(modules=[sie, ssr, mga])
train_dataloader = dict(dataset=dict(views=[dict(type='PairedView')]))
pipeline = dict(baseline='projects/voc_animals/configs/gap_voc6.py')
