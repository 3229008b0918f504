# Gated pyramid pooling, the baseline of AEFT and of KTSE with its own head. The gates are new, the
# embedding and the classifier go on from those of the first phase.
_base_ = './gap_voc6.py'

model = dict(head=dict(type='GPPHead'))
