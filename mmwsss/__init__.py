"""mmwsss: weakly supervised semantic segmentation from image-level labels."""

from .version import __version__

__all__ = ['__version__']
