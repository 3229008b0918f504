from .base import DataView, build_views
from .cross_domain import CrossDomainView, copy_paste
from .legacy import CrossDomainDataset, PairedDataset
from .paired import PairedView

__all__ = [
    'CrossDomainDataset', 'CrossDomainView', 'DataView', 'PairedDataset', 'PairedView',
    'build_views', 'copy_paste'
]
