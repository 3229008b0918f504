# FAE without SAE on MCTformer. Published seed: 62.2.
_base_ = './fsae_mctformer_deit-s_voc.py'

model = dict(modules=[dict(_base_.fsae, boundary_weight=0)])
