# FAE without SAE on SIPE. Published seed: 60.9.
_base_ = './fsae_sipe_r50_voc.py'

model = dict(modules=[_base_.sipe, dict(_base_.fsae, boundary_weight=0)])
