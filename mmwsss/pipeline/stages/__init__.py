"""The stages of the line, a file each: labels -> classifier -> CAM -> mask -> segmentation."""

from .affinity_stage import AffinityStage, LabelsStage
from .cam_stage import CAMStage, make_cams
from .classify_stage import ClassifyStage
from .mask_stage import MaskStage, make_masks
from .metrics_stage import MetricsStage
from .prior_stage import PriorStage
from .segment_stage import SegmentStage
from .start_stage import StartStage

# The line by the names of the stages, which are those of their folders.
LINE = dict(
    prior=dict(type='PriorStage'),
    start=dict(type='StartStage'),
    classify=dict(type='ClassifyStage'),
    cam=dict(type='CAMStage'),
    labels=dict(type='LabelsStage'),
    affinity=dict(type='AffinityStage'),
    mask=dict(type='MaskStage'),
    metrics=dict(type='MetricsStage'),
    segment=dict(type='SegmentStage'))

__all__ = [
    'LINE', 'AffinityStage', 'CAMStage', 'ClassifyStage', 'LabelsStage', 'MaskStage',
    'MetricsStage', 'PriorStage', 'SegmentStage', 'StartStage', 'make_cams', 'make_masks'
]
