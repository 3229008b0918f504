from . import transforms
from .coco import COCOImageLabelDataset
from .cooccurrence import cooccurrence_matrix, pairing_distribution
from .image_labels import ImageLabelDataset
from .label_tables import read_label_table
from .pseudo_mask_dataset import LoadPseudoMask, PseudoMaskDataset
from .samplers import EndlessSampler, EpochIndex, EpochSampler, SeededDataset, sample_rng
from .shapes import ShapesDataset, draw_shapes
from .views import (
    CrossDomainDataset,
    CrossDomainView,
    DataView,
    PairedDataset,
    PairedView,
    copy_paste,
)
from .voc import VOCImageLabelDataset

__all__ = [
    'COCOImageLabelDataset', 'CrossDomainDataset', 'CrossDomainView', 'DataView', 'EndlessSampler',
    'EpochIndex', 'EpochSampler', 'ImageLabelDataset', 'LoadPseudoMask', 'PairedDataset',
    'PairedView', 'PseudoMaskDataset', 'SeededDataset', 'ShapesDataset', 'VOCImageLabelDataset',
    'cooccurrence_matrix', 'copy_paste', 'draw_shapes', 'pairing_distribution',
    'read_label_table', 'sample_rng', 'transforms'
]
