# FAE alone with tau .80. Published seed: 70.0 (.95: 73.7).
_base_ = './fsae_ppc-eps_r38_voc.py'

fsae = dict(_base_.fsae, boundary_weight=0, tau_fae=0.80)
model = dict(modules=[_base_.seam, _base_.eps, _base_.ppc, fsae])
