"""The stages of the line, a file each: labels -> classifier -> CAM -> mask -> segmentation."""

from .affinity import AffinityStage, LabelsStage
from .cam import CAMStage, make_cams
from .classify import ClassifyStage
from .mask import MaskStage, make_masks
from .metrics import MetricsStage
from .prior import PriorStage
from .segment import SegmentStage

# The line by the names of the stages, which are those of their folders.
LINE = dict(
    prior=dict(type='PriorStage'),
    classify=dict(type='ClassifyStage'),
    cam=dict(type='CAMStage'),
    labels=dict(type='LabelsStage'),
    affinity=dict(type='AffinityStage'),
    mask=dict(type='MaskStage'),
    metrics=dict(type='MetricsStage'),
    segment=dict(type='SegmentStage'))

__all__ = [
    'LINE', 'AffinityStage', 'CAMStage', 'ClassifyStage', 'LabelsStage', 'MaskStage',
    'MetricsStage', 'PriorStage', 'SegmentStage', 'make_cams', 'make_masks'
]
