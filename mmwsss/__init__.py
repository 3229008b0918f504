"""mmwsss: weakly supervised semantic segmentation from image-level labels."""

from ._compat import (
    check_packages,
    find_our_bases,
    format_once,
    keep_memory,
    quiet_debug,
    quiet_mmcv,
    set_threads,
    watch_torchvision,
)
from .version import __version__

set_threads()
keep_memory()
check_packages()
watch_torchvision()
quiet_mmcv()
quiet_debug()
format_once()
find_our_bases()

__all__ = ['__version__']
