# FAE alone with tau .85. Published seed: 72.8 (.95: 73.7).
_base_ = './fsae_ppc-eps_r38_voc.py'

fsae = dict(_base_.fsae, boundary_weight=0, tau_fae=0.85)
model = dict(modules=[_base_.seam, _base_.eps, _base_.ppc, fsae])
