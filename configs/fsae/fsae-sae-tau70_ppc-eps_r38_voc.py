# SAE with tau 0.7. Published seed: 74.3 (.8: 74.5).
_base_ = './fsae_ppc-eps_r38_voc.py'

fsae = dict(_base_.fsae, tau_sae=0.7)
model = dict(modules=[_base_.seam, _base_.eps, _base_.ppc, fsae])
