"""mmwsss: weakly supervised semantic segmentation from image-level labels."""

from ._compat import mend_torchvision
from .version import __version__

mend_torchvision()

__all__ = ['__version__']
