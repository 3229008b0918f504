# RCM + MAM with CRF in place of PSA. Published on VOC train: seed 63.7, with CRF 67.7. The paper
# does not give the CRF; it is PSA's at the seeds' best threshold.
_base_ = './rcm-mam_r38_voc.py'

pipeline = dict(
    affinity=None, mask=dict(_delete_=True, type='CRFMask', bg='oracle'), segment=None)
