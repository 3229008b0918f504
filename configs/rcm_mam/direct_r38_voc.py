# RCM's regions taught directly, by cross entropy on the CAM. Published seed: 52.3.
_base_ = './rcm-mam-crf_r38_voc.py'

model = dict(modules=[dict(type='RegionalContrast', contrast='direct')])
