# Plain CAM with gated pyramid pooling, the baseline of AEFT and KTSE.
_base_ = './gap_voc6.py'

model = dict(head=dict(type='GPPHead'))
pipeline = dict(start=dict(config='projects/voc_animals/configs/cam-gpp_voc6.py', seed=0))
