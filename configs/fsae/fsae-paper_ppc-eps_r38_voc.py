# The ring around all confident pixels, background included, as eq. 7 has it; the default is the
# prototype's.
_base_ = './fsae_ppc-eps_r38_voc.py'

fsae = dict(_base_.fsae, dilate='all')
model = dict(modules=[_base_.seam, _base_.eps, _base_.ppc, fsae])
