from .affinity_scores import AffinityLabels, LoadAffinityScores
from .colour import ColorJitter, StrongView
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
    'AffinityLabels', 'ColorJitter', 'LoadAffinityScores', 'LoadImage', 'LoadMask',
    'PackWSSSInputs', 'RandomFlip', 'RandomPadCrop', 'RandomResizedCrop', 'RandomScale',
    'ResizeLong', 'ResizeShort', 'StrongView'
]
