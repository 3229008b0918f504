"""MS COCO 2014."""

import os
from collections.abc import Mapping
from pathlib import Path

from mmwsss.registry import DATASETS
from mmwsss.utils.palette import voc_palette

from .image_labels import ImageLabelDataset
from .label_tables import Classes

# The annotations number 80 classes from 1 to 90, with gaps; ours are 0..79 in the same order.
_GAPS = (12, 26, 29, 30, 45, 66, 68, 69, 71, 83)
CATEGORY_IDS = tuple(i for i in range(1, 91) if i not in _GAPS)


@DATASETS.register_module()
class COCOImageLabelDataset(ImageLabelDataset):
    """COCO 2014, 80 classes.

    Args:
        data_root: Folder with ``train2014``, ``val2014`` and ``annotations``.
        split: ``train`` or ``val``; gives the defaults of the folders and the annotations.
        ann_file: Optional list, ``COCO_train2014_000000000009`` or ``9`` per line; without it, all
            images with an object (82,081 in train, 40,137 in val), or with ``allow_negatives`` all.
        label_file: The instances JSON, or any label table.
        seg_dir: Folder of masks, made by ``tools/dataset_converters/coco.py``.
        kwargs: Further arguments of :class:`ImageLabelDataset`.
    """

    METAINFO = dict(
        classes=('person', 'bicycle', 'car', 'motorcycle', 'airplane', 'bus', 'train', 'truck',
                 'boat', 'traffic light', 'fire hydrant', 'stop sign', 'parking meter', 'bench',
                 'bird', 'cat', 'dog', 'horse', 'sheep', 'cow', 'elephant', 'bear', 'zebra',
                 'giraffe', 'backpack', 'umbrella', 'handbag', 'tie', 'suitcase', 'frisbee', 'skis',
                 'snowboard', 'sports ball', 'kite', 'baseball bat', 'baseball glove', 'skateboard',
                 'surfboard', 'tennis racket', 'bottle', 'wine glass', 'cup', 'fork', 'knife',
                 'spoon', 'bowl', 'banana', 'apple', 'sandwich', 'orange', 'broccoli', 'carrot',
                 'hot dog', 'pizza', 'donut', 'cake', 'chair', 'couch', 'potted plant', 'bed',
                 'dining table', 'toilet', 'tv', 'laptop', 'mouse', 'remote', 'keyboard',
                 'cell phone', 'microwave', 'oven', 'toaster', 'sink', 'refrigerator', 'book',
                 'clock', 'vase', 'scissors', 'teddy bear', 'hair drier', 'toothbrush'),
        palette=voc_palette(81))

    def __init__(self,
                 data_root: str = 'data/coco2014',
                 split: str = 'train',
                 ann_file: str = '',
                 label_file: str | None = None,
                 img_dir: str | None = None,
                 img_suffix: str | None = '.jpg',
                 seg_dir: str | None = None,
                 **kwargs):
        super().__init__(
            data_root=data_root,
            ann_file=ann_file,
            label_file=label_file or f'annotations/instances_{split}2014.json',
            img_dir=f'{split}2014' if img_dir is None else img_dir,
            img_suffix=img_suffix,
            seg_dir=seg_dir or f'SegmentationClass/{split}2014',
            **kwargs)

    def key_to_name(self, key: int) -> str:
        """``9`` is ``COCO_train2014_000000000009`` in the folder ``train2014``."""
        return f'COCO_{Path(self.img_dir).name}_{int(key):012d}'

    def parse_line(self, line: str) -> str:
        name = Path(line.strip()).name
        return self.key_to_name(int(name)) if name.isdigit() else name

    def read_labels(self, names: list[str] | None) -> Mapping[str, Classes] | None:
        """Without a list, an instances JSON is that of the images with an object only."""
        table = super().read_labels(names)
        if names is None and not self.allow_negatives and os.path.basename(
                self.label_file).startswith('instances'):
            return {name: classes for name, classes in table.items() if classes}
        return table
