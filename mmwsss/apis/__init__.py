from .inference import CAMInferencer
from .segmentation import SegmentationInferencer

__all__ = ['CAMInferencer', 'SegmentationInferencer']
