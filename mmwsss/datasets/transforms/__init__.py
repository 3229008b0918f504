from .geometry import (
    RandomFlip,
    RandomPadCrop,
    RandomResizedCrop,
    RandomScale,
    ResizeLong,
    ResizeShort,
)
from .loading import LoadImage, LoadMask
from .packing import PackWSSSInputs

__all__ = [
    'LoadImage', 'LoadMask', 'PackWSSSInputs', 'RandomFlip', 'RandomPadCrop', 'RandomResizedCrop',
    'RandomScale', 'ResizeLong', 'ResizeShort'
]
