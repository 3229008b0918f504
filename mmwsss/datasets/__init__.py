from . import transforms
from .coco import COCOImageLabelDataset
from .cooccurrence import cooccurrence_matrix, pairing_distribution
from .cross_domain import CrossDomainDataset, copy_paste
from .image_labels import ImageLabelDataset
from .label_tables import read_label_table
from .paired import PairedDataset
from .pseudo_mask_dataset import LoadPseudoMask, PseudoMaskDataset
from .samplers import EndlessSampler, EpochIndex, EpochSampler, SeededDataset, sample_rng
from .shapes import ShapesDataset, draw_shapes
from .voc import VOCImageLabelDataset

__all__ = [
    'COCOImageLabelDataset', 'CrossDomainDataset', 'EndlessSampler', 'EpochIndex', 'EpochSampler',
    'ImageLabelDataset', 'LoadPseudoMask', 'PairedDataset', 'PseudoMaskDataset', 'SeededDataset',
    'ShapesDataset', 'VOCImageLabelDataset', 'cooccurrence_matrix', 'copy_paste', 'draw_shapes',
    'pairing_distribution', 'read_label_table', 'sample_rng', 'transforms'
]
