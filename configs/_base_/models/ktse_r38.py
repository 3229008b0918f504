# KTSE's three ideas on the gated pyramid pooling classifier. Ten epochs of classification alone at
# batch 8, then everything at batch 16 (released code; train_cfg of the method's configs).
_base_ = './gpp_r38.py'

begin = 10
sie = dict(type='SimulatedInterImageErasing', num_pairs=4, margin=0.05, begin=begin)
ssr = dict(
    type='SelfSupervisedRegularization',
    high=0.30,
    low=0.15,
    refiner=dict(type='PAR'),
    fg_weight=0.0125,
    inter_weight=0.005,
    begin=begin)
mga = dict(type='MultiGranularityAlignment', threshold=0.6, margin=0.05, begin=begin)
model = dict(head=dict(background=True), modules=[sie, ssr, mga])
