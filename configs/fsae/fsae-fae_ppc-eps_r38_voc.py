# FAE without SAE, which is also the row without dilation. Published seed: 73.7.
_base_ = './fsae_ppc-eps_r38_voc.py'

fsae = dict(_base_.fsae, boundary_weight=0)
model = dict(modules=[_base_.seam, _base_.eps, _base_.ppc, fsae])
