"""MS COCO 2014."""

import json
import os
from pathlib import Path

from mmwsss.registry import DATASETS
from mmwsss.utils.palette import voc_palette

from .image_labels import ImageLabelDataset
from .label_tables import Classes

# The annotations number 80 classes from 1 to 90, with gaps; ours are 0..79 in the same order.
_GAPS = (12, 26, 29, 30, 45, 66, 68, 69, 71, 83)
CATEGORY_IDS = tuple(i for i in range(1, 91) if i not in _GAPS)


def category_index(categories: list[dict], classes, path: str) -> dict[int, int]:
    """Category id (1..90) to class index (0..79), checked against the file's own names.

    Raises:
        ValueError: The file numbers or names its categories in another way.
    """
    index = dict(zip(CATEGORY_IDS, range(len(CATEGORY_IDS))))
    for category in categories:
        known = index.get(category['id'])
        if known is None or classes[known] != category['name']:
            raise ValueError(
                f'"{path}": category {category["id"]} is "{category["name"]}", in COCO 2014 it is '
                f'{"absent" if known is None else repr(classes[known])}; use ImageLabelDataset '
                'with a label table for other data')
    return index


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

    def read_labels(self, names: list[str] | None) -> dict[str, Classes] | None:
        if self._table is None and os.path.basename(self.label_file).startswith('instances'):
            self._table = self._read_instances(
                keep_empty=names is not None or self.allow_negatives)
        return super().read_labels(names)

    def _read_instances(self, keep_empty: bool) -> dict[str, Classes]:
        path = self.label_file
        if not os.path.isfile(path):
            raise FileNotFoundError(
                f'no annotations "{path}"; get annotations_trainval2014.zip of COCO, or give '
                'label_file=... (a label table)')
        try:
            with open(path, encoding='utf-8') as file:
                data = json.load(file)
            names = {image['id']: Path(image['file_name']).stem for image in data['images']}
            index = category_index(data['categories'], self.METAINFO['classes'], path)
            table = {name: set() for name in names.values()}
            for item in data['annotations']:
                table[names[item['image_id']]].add(index[item['category_id']])
        except (KeyError, TypeError, json.JSONDecodeError) as error:
            raise ValueError(f'"{path}" is no instances JSON of COCO: '
                             f'{type(error).__name__} {error}') from None
        return {name: sorted(found) for name, found in table.items() if found or keep_empty}
