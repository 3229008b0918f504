# The baseline of KTSE: gated pyramid pooling (GPP, from AEFT) on ResNet38, classification only.
# Published seed on VOC train: 54.2 mIoU (KTSE, table 7).
_base_ = [
    '../_base_/models/gpp_r38.py',
    '../_base_/datasets/voc12_wsss.py',
    '../_base_/schedules/poly_40e.py',
    '../_base_/default_runtime.py',
]
