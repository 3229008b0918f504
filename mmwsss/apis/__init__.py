from .cam_inferencer import CAMInferencer
from .segmentation import SegmentationInferencer

__all__ = ['CAMInferencer', 'SegmentationInferencer']
