# FAE alone with tau .99. Published seed: 73.3 (.95: 73.7).
_base_ = './fsae_ppc-eps_r38_voc.py'

fsae = dict(_base_.fsae, boundary_weight=0, tau_fae=0.99)
model = dict(modules=[_base_.seam, _base_.eps, _base_.ppc, fsae])
