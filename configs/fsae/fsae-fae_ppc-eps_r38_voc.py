# FAE without SAE, which is also the row without dilation. Published seed: 73.7.
_base_ = './fsae_ppc-eps_r38_voc.py'

model = dict(modules=[_base_.seam, _base_.eps, _base_.ppc, dict(_base_.fsae, boundary_weight=0)])
