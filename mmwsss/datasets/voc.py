"""PASCAL VOC 2012."""

import os
from pathlib import Path

from mmwsss.registry import DATASETS
from mmwsss.utils.palette import voc_palette

from .annotations import read_voc_xml
from .image_labels import ImageLabelDataset
from .label_tables import Classes


def voc_image_id(line: str) -> str:
    """Id in a line of VOC's lists: ``2007_000032``, ``2007_000032 -1`` or
    ``/JPEGImages/2007_000032.jpg /SegmentationClass/...`` (then with the ending)."""
    return Path(line.split()[0]).name


@DATASETS.register_module()
class VOCImageLabelDataset(ImageLabelDataset):
    """VOC 2012 with the extra masks of SBD.

    Args:
        data_root: The folder ``VOC2012``.
        ann_file: ``train_aug`` (10,582 images) by default; ``train`` (1,464) and ``val`` (1,449)
            have official masks. Lines with paths, or with columns after the id, are understood.
        label_file: ``cls_labels.npy`` or any label table; None reads the XML annotations.
        xml_dir: Folder of the XML annotations.
        kwargs: Further arguments of :class:`ImageLabelDataset`.
    """

    METAINFO = dict(
        classes=('aeroplane', 'bicycle', 'bird', 'boat', 'bottle', 'bus', 'car', 'cat', 'chair',
                 'cow', 'diningtable', 'dog', 'horse', 'motorbike', 'person', 'pottedplant',
                 'sheep', 'sofa', 'train', 'tvmonitor'),
        palette=voc_palette(21))

    def __init__(self,
                 data_root: str = 'data/VOCdevkit/VOC2012',
                 ann_file: str = 'ImageSets/Segmentation/train_aug.txt',
                 label_file: str | None = None,
                 xml_dir: str = 'Annotations',
                 img_dir: str = 'JPEGImages',
                 img_suffix: str | None = '.jpg',
                 seg_dir: str | None = 'SegmentationClassAug',
                 **kwargs):
        self.xml_dir = os.path.join(data_root, xml_dir)
        super().__init__(
            data_root=data_root,
            ann_file=ann_file,
            label_file=label_file,
            img_dir=img_dir,
            img_suffix=img_suffix,
            seg_dir=seg_dir,
            **kwargs)

    @property
    def label_source(self) -> str:
        return self.label_file or self.xml_dir

    def parse_line(self, line: str) -> str:
        return voc_image_id(line)

    def read_labels(self, names: list[str] | None) -> dict[str, Classes] | None:
        if self.label_file is not None:
            return super().read_labels(names)
        if names is None:
            names = sorted(path.stem for path in Path(self.xml_dir).glob('*.xml'))
        return {name: read_voc_xml(os.path.join(self.xml_dir, f'{name}.xml')) for name in names}
