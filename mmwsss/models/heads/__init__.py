from .base import CAMOutput
from .gap_head import GAPHead
from .gpp_head import GatedPyramidPooling, GPPHead
from .mct_head import MCTHead
from .pcm import PixelCorrelationModule
from .seam_head import SEAMHead
from .sipe_head import SIPEHead

__all__ = [
    'CAMOutput', 'GAPHead', 'GPPHead', 'GatedPyramidPooling', 'MCTHead', 'PixelCorrelationModule',
    'SEAMHead', 'SIPEHead'
]
