from . import transforms
from .image_labels import ImageLabelDataset
from .label_tables import read_label_table
from .palette import save_mask, voc_palette
from .samplers import EpochIndex, EpochSampler, sample_rng
from .shapes import ShapesDataset, draw_shapes

__all__ = [
    'EpochIndex', 'EpochSampler', 'ImageLabelDataset', 'ShapesDataset', 'draw_shapes',
    'read_label_table', 'sample_rng', 'save_mask', 'transforms', 'voc_palette'
]
