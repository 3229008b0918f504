"""Images and masks in folders, for mmseg: generated masks to train on, exact ones to score."""

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Optional, Union

import numpy as np
from mmcv.transforms import BaseTransform
from mmseg.datasets import BaseSegDataset
from mmseg.datasets.transforms import LoadImageFromNDArray
from mmseg.datasets.transforms.loading import InferencerLoader
from mmseg.registry import DATASETS as MMSEG_DATASETS
from mmseg.registry import TRANSFORMS as MMSEG_TRANSFORMS
from PIL import Image

from mmwsss.registry import DATASETS, TRANSFORMS
from mmwsss.utils.masks import read_mask

# mmseg.apis puts these into our test pipelines without a prefix.
for _loader in (InferencerLoader, LoadImageFromNDArray):
    TRANSFORMS.register_module(module=_loader)


def class_id_table(mask_classes: Sequence[str], classes: Sequence[str]) -> np.ndarray:
    """Table ``(256,)`` from the ids of a mask to those of some of its classes.

    Args:
        mask_classes: Foreground classes that the ids 1, 2, ... of the mask stand for.
        classes: Foreground classes wanted, in the wanted order.

    Returns:
        uint8 ``(256,)``: 0 stays background, the wanted classes become 1, 2, ..., the other classes
        and 255 become 255. Ids that no class stands for stay as they are (and are refused later).

    Raises:
        ValueError: A wanted class is not one of the mask's.
    """
    mask_classes, classes = list(mask_classes), list(classes)
    unknown = [name for name in classes if name not in mask_classes]
    if unknown:
        raise ValueError(f'classes {unknown} are not among the classes of the masks {mask_classes}')
    table = np.arange(256, dtype=np.uint8)
    for index, name in enumerate(mask_classes, 1):
        table[index] = classes.index(name) + 1 if name in classes else 255
    return table


def load_mask(
    path: Union[str, Path],
    num_ids: int,
    size: Optional[tuple] = None,
    table: Optional[np.ndarray] = None,
) -> np.ndarray:
    """Read a mask and check it.

    Args:
        path: Palette or grey PNG.
        num_ids: Ids allowed in the file: ``0..num_ids - 1`` and 255.
        size: ``(height, width)`` it must have.
        table: Applied to the ids, see :func:`class_id_table`.

    Returns:
        uint8 ``(H, W)``.

    Raises:
        FileNotFoundError, ValueError: The file is missing, unreadable, of a wrong size or id.
    """
    mask = read_mask(path)
    if size is not None and mask.shape != tuple(size):
        raise ValueError(
            f'mask {path} is {mask.shape[1]}x{mask.shape[0]} (width x height), but its image is '
            f'{size[1]}x{size[0]}; masks have the size of the original image')
    wrong = mask[(mask >= num_ids) & (mask != 255)]
    if wrong.size:
        raise ValueError(
            f'mask {path} holds class id {wrong[0]}, but its classes have the ids 0..{num_ids - 1} '
            '(and 255 to ignore); check the order and number of classes')
    return mask if table is None else table[mask]


@MMSEG_TRANSFORMS.register_module()
@TRANSFORMS.register_module()
class LoadPseudoMask(BaseTransform):
    """Read the mask of :class:`PseudoMaskDataset` into ``gt_seg_map``, checked.

    Where the dataset has a ``confidence_dir``, pixels of a lower reliability than its threshold
    become 255.

    Required keys: ``seg_map_path``, ``ori_shape`` and those the dataset adds. Added: ``gt_seg_map``
    (uint8 ``(H, W)`` at the original size) and an entry of ``seg_fields``. An image of its own, not
    of a dataset (as ``mmseg.apis`` loads it), has no mask and passes as it is.
    """

    def transform(self, results: dict) -> dict:
        if 'seg_map_path' not in results:
            return results
        size = tuple(results['ori_shape'][:2])
        mask = load_mask(
            results['seg_map_path'], results['num_mask_ids'], size, results['id_table'])
        if results.get('confidence_path'):
            path = results['confidence_path']
            confidence = read_mask(path)
            if confidence.shape != size:
                raise ValueError(f'confidence mask {path} has the shape {confidence.shape}, '
                                 f'but its image {size}')
            mask = np.where(confidence < 255 * results['confidence_threshold'], 255, mask)
        results['gt_seg_map'] = mask.astype(np.uint8)
        results.setdefault('seg_fields', []).append('gt_seg_map')
        return results


@MMSEG_DATASETS.register_module()
@DATASETS.register_module()
class PseudoMaskDataset(BaseSegDataset):
    """An mmseg dataset of a folder of images, a folder of masks and a list of ids.

    The classes are named as everywhere in mmwsss, foreground only; ``metainfo['classes']`` as mmseg
    sees it has ``'background'`` put in front. Masks hold 0 for it, ``1..C`` and 255.

    Every listed image must have a mask of its size and of known ids; all files are checked when
    the dataset is built, before any training.

    Args:
        ann_file: List of image ids, one per line (a line's first word counts); empty: every mask in
            ``mask_dir``.
        data_root: Folder that the other paths are relative to, unless they are absolute.
        img_dir, mask_dir: Folders of ``<id><img_suffix>`` and ``<id><mask_suffix>``.
        metainfo: ``classes`` (foreground names) and optionally ``palette`` (RGB, background
            first). Default: those of ``mask_classes``.
        mask_classes: What the ids ``1, 2, ...`` in the files stand for: foreground names, or the
            name of a registered dataset whose METAINFO says it (``'VOCImageLabelDataset'``).
            Pixels of classes that ``metainfo`` leaves out become 255. Default: the classes of
            ``metainfo``.
        confidence_dir: Folder of grey PNGs ``<id>.png``, the reliability of each pixel times 255
            (BECO's confidence masks). Pixels below ``confidence_threshold`` become 255.
        confidence_threshold: In [0, 1].
        img_suffix, mask_suffix: File endings.
        verify: Whether to read all masks when the dataset is built.
        max_refetch: 0: an image that fails is an error (mmengine would take another one).
        Others: as in mmseg.

    Raises:
        ValueError, FileNotFoundError: A list, option or file is wrong; the message names it.
    """

    def __init__(
        self,
        ann_file: str = '',
        data_root: Optional[str] = None,
        img_dir: str = 'JPEGImages',
        mask_dir: str = 'SegmentationClassAug',
        metainfo: Optional[dict] = None,
        mask_classes: Optional[Union[str, Sequence[str]]] = None,
        confidence_dir: Optional[str] = None,
        confidence_threshold: float = 0.5,
        img_suffix: str = '.jpg',
        mask_suffix: str = '.png',
        verify: bool = True,
        max_refetch: int = 0,
        **kwargs,
    ) -> None:
        metainfo, palette = dict(metainfo or {}), None
        if isinstance(mask_classes, str):
            known = DATASETS.get(mask_classes)
            if known is None or 'classes' not in getattr(known, 'METAINFO', {}):
                raise ValueError(f'mask_classes={mask_classes!r} is no registered dataset with '
                                 'classes in its METAINFO')
            mask_classes, palette = known.METAINFO['classes'], known.METAINFO.get('palette')
        classes = list(metainfo.get('classes') or mask_classes or ())
        if not classes:
            raise ValueError('PseudoMaskDataset needs metainfo=dict(classes=...) or mask_classes')
        if 'background' in classes:
            raise ValueError("leave 'background' out of classes; it is id 0 and added by itself")
        mask_classes = list(mask_classes or classes)
        if not 0 <= confidence_threshold <= 1:
            raise ValueError(f'confidence_threshold={confidence_threshold} must be in [0, 1]')
        self.id_table = class_id_table(mask_classes, classes)
        self.num_mask_ids = len(mask_classes) + 1
        if palette is not None and 'palette' not in metainfo:
            metainfo['palette'] = [
                palette[0], *(palette[mask_classes.index(name) + 1] for name in classes)]
        metainfo['classes'] = ('background', *classes)

        self.confidence_dir = confidence_dir
        if confidence_dir and data_root and not os.path.isabs(confidence_dir):
            self.confidence_dir = os.path.join(data_root, confidence_dir)
        self.confidence_threshold = confidence_threshold
        self.verify = verify
        super().__init__(
            ann_file=ann_file,
            data_root=data_root,
            data_prefix=dict(img_path=img_dir, seg_map_path=mask_dir),
            metainfo=metainfo,
            img_suffix=img_suffix,
            seg_map_suffix=mask_suffix,
            max_refetch=max_refetch,
            **kwargs)

    def _names(self) -> list:
        if not self.ann_file:
            folder = Path(self.data_prefix['seg_map_path'])
            if not folder.is_dir():
                raise FileNotFoundError(f'mask folder {folder} does not exist; check mask_dir')
            return sorted(path.name[:-len(self.seg_map_suffix)]
                          for path in folder.glob(f'*{self.seg_map_suffix}'))
        if not Path(self.ann_file).is_file():
            raise FileNotFoundError(f'image list {self.ann_file} does not exist; ann_file is '
                                    'relative to data_root unless absolute')
        lines = Path(self.ann_file).read_text(encoding='utf-8').splitlines()
        return [line.split()[0] for line in lines if line.strip()]

    def load_data_list(self) -> list:
        """The listed images, each checked to have its files."""
        source = self.ann_file or self.data_prefix['seg_map_path']
        names = self._names()
        if not names:
            raise ValueError(f'{source} is empty: it names no image')

        def file(folder: str, name: str, suffix: str) -> str:
            return os.path.join(folder, name + suffix)

        records = []
        for name in names:
            record = dict(
                name=name,
                img_path=file(self.data_prefix['img_path'], name, self.img_suffix),
                seg_map_path=file(self.data_prefix['seg_map_path'], name, self.seg_map_suffix),
                id_table=self.id_table,
                num_mask_ids=self.num_mask_ids,
                reduce_zero_label=False,
                seg_fields=[])
            if self.confidence_dir:
                record['confidence_path'] = file(self.confidence_dir, name, '.png')
                record['confidence_threshold'] = self.confidence_threshold
            records.append(record)
        for key, what in (('img_path', 'images'), ('seg_map_path', 'masks'),
                          ('confidence_path', 'confidence masks')):
            missing = [x[key] for x in records if key in x and not os.path.isfile(x[key])]
            if missing:
                raise FileNotFoundError(
                    f'{len(missing)} of the {len(records)} {what} of {source} are missing, '
                    f'first {missing[0]}; generate or copy them, or take the ids off the list')
        if self.verify:
            # Decoding releases the GIL: VOC's 10,582 masks are read in seconds.
            with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
                for _ in pool.map(_check_record, records, chunksize=64):
                    pass
        return records


def _check_record(record: dict) -> None:
    try:
        with Image.open(record['img_path']) as image:
            width, height = image.size
    except (OSError, SyntaxError) as error:
        raise ValueError(f'image {record["img_path"]} cannot be read: {error}') from error
    load_mask(record['seg_map_path'], record['num_mask_ids'], (height, width))
