from .base import CAMOutput
from .gap_head import GAPHead
from .gpp_head import GatedPyramidPooling, GPPHead
from .pcm import PixelCorrelationModule

__all__ = ['CAMOutput', 'GAPHead', 'GPPHead', 'GatedPyramidPooling', 'PixelCorrelationModule']
