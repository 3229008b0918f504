# KTSE. SSR is that of ssr-first_voc6.py with eq. 7 (see the README); ktse-code_voc6.py has the
# settings of the released code.
_base_ = './ssr-first_voc6.py'

sie = dict(type='SimulatedInterImageErasing', num_pairs=4, **_base_.rise)
ssr = dict(_base_.ssr, inter_weight=0.005)
mga = dict(type='MultiGranularityAlignment', **_base_.rise)
model = dict(modules=[sie, ssr, mga])
train_dataloader = dict(dataset=dict(views=[dict(type='PairedView')]))
pipeline = dict(mask=dict(bg='own'), baseline='projects/voc_animals/configs/gpp_voc6.py')
