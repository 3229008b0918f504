"""mmwsss: weakly supervised semantic segmentation from image-level labels."""

from ._compat import check_packages, mend_torchvision
from .version import __version__

check_packages()
mend_torchvision()

__all__ = ['__version__']
