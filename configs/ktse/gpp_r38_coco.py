# The baseline of KTSE on COCO 2014 (80 classes).
_base_ = [
    '../_base_/models/gpp_r38.py',
    '../_base_/datasets/coco14_wsss.py',
    '../_base_/schedules/poly_40e.py',
    '../_base_/default_runtime.py',
]

model = dict(head=dict(num_classes=80))
