"""Images and masks in folders, for mmseg: generated masks to train on, exact ones to score."""

import logging
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from mmcv.transforms import BaseTransform
from mmengine.logging import print_log
from mmseg.datasets import BaseSegDataset
from mmseg.datasets.transforms import LoadImageFromNDArray
from mmseg.datasets.transforms.loading import InferencerLoader
from mmseg.registry import DATASETS as MMSEG_DATASETS
from mmseg.registry import TRANSFORMS as MMSEG_TRANSFORMS

from mmwsss._compat import usable_cores
from mmwsss.registry import DATASETS, TRANSFORMS
from mmwsss.structures.artifacts import read_classes, read_mask
from mmwsss.utils.images import IMG_SUFFIXES, image_size, images_below, only_file
from mmwsss.utils.io import read_text
from mmwsss.utils.parallel import is_first_of_node
from mmwsss.utils.progress import track
from mmwsss.utils.setup_env import freeze_imports

from .label_space import LabelSpace
from .mask_ids import MaskIds
from .voc import VOCImageLabelDataset, voc_image_id

# mmseg.apis puts these into our test pipelines without a prefix.
for _loader in (InferencerLoader, LoadImageFromNDArray):
    TRANSFORMS.register_module(module=_loader)


def load_mask(path: str | Path, ids: MaskIds, size: tuple[int, int]) -> np.ndarray:
    """Read a mask in the ids of the chosen classes and check it.

    Args:
        path: Palette or grey PNG.
        ids: What the ids in the file stand for.
        size: ``(height, width)`` it must have.

    Returns:
        uint8 ``(H, W)``.

    Raises:
        FileNotFoundError, ValueError: The file is missing, unreadable, of a wrong size or id.
    """
    mask = read_mask(path)
    if mask.shape != tuple(size):
        raise ValueError(
            f'mask {path} is {mask.shape[1]}x{mask.shape[0]} (width x height), but its image is '
            f'{size[1]}x{size[0]}; masks have the size of the original image')
    return ids.decode(mask, path)


@MMSEG_TRANSFORMS.register_module()
@TRANSFORMS.register_module()
class LoadPseudoMask(BaseTransform):
    """Read the mask of :class:`PseudoMaskDataset` into ``gt_seg_map``, checked.

    Where the dataset has a ``confidence_dir``, pixels of a lower reliability than its threshold
    become 255. An image without ``seg_map_path`` (of inference, or of a test set without ground
    truth) passes as it is.

    Required keys: ``ori_shape`` and those the dataset adds. Added: ``gt_seg_map`` (uint8 ``(H, W)``
    at the original size) and an entry of ``seg_fields``.
    """

    def transform(self, results: dict) -> dict:
        if 'seg_map_path' not in results:
            return results
        size = tuple(results['ori_shape'][:2])
        mask = load_mask(results['seg_map_path'], results['mask_ids'], size)
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
    the dataset is built, before any training. In ``test_mode`` none of them needs a mask: such a
    set can be predicted, but not scored.

    Args:
        ann_file: List of image ids, one per line, spaces and subfolders included. Where no line
            with a space names an image, the list has columns (label tables, VOC's lists) and the
            first counts. Empty: every mask in ``mask_dir``, or, in ``test_mode`` without masks,
            every image in ``img_dir``.
        data_root: Folder that the other paths are relative to, unless they are absolute.
        img_dir, mask_dir: Folders of ``<id><img_suffix>`` and ``<id><mask_suffix>``.
            ``mask_dir=None``, in ``test_mode`` only: no masks.
        metainfo: ``classes`` (foreground names, or the file that lists them) and optionally
            ``palette`` (RGB, background first). Default: those of ``mask_classes``.
        mask_classes: What the ids ``1, 2, ...`` in the files stand for: foreground names, or the
            name of a registered dataset whose METAINFO says it (``'VOCImageLabelDataset'``).
            Pixels of classes that ``metainfo`` leaves out become 255. Default: the classes of
            ``metainfo``.
        confidence_dir: Folder of grey PNGs ``<id>.png``, the reliability of each pixel times 255
            (BECO's confidence masks). Pixels below ``confidence_threshold`` become 255.
        confidence_threshold: In [0, 1].
        img_suffix, mask_suffix: File endings; ``img_suffix=None`` looks for the usual ones.
        verify: Whether to read all masks when the dataset is built, by one process a machine.
        max_refetch: 0: an image that fails is an error (mmengine would take another one).
        Others: as in mmseg.

    Raises:
        ValueError, FileNotFoundError: A list, option or file is wrong; the message names it.
    """

    def __init__(
        self,
        ann_file: str = '',
        data_root: str | None = None,
        img_dir: str = 'JPEGImages',
        mask_dir: str | None = 'SegmentationClassAug',
        metainfo: dict | None = None,
        mask_classes: str | Sequence[str] | None = None,
        confidence_dir: str | None = None,
        confidence_threshold: float = 0.5,
        img_suffix: str | None = '.jpg',
        mask_suffix: str = '.png',
        verify: bool = True,
        max_refetch: int = 0,
        **kwargs,
    ) -> None:
        space = LabelSpace.of_masks(metainfo or {}, mask_classes)
        self._voc_list = isinstance(mask_classes, str) and issubclass(
            DATASETS.get(mask_classes), VOCImageLabelDataset)
        if not 0 <= confidence_threshold <= 1:
            raise ValueError(f'confidence_threshold={confidence_threshold} must be in [0, 1]')
        self.mask_ids = MaskIds(space.all_classes, space.classes)
        metainfo = {**(metainfo or {}), 'palette': space.palette,
                    'classes': ('background', *space.classes)}

        self.confidence_dir = confidence_dir
        if confidence_dir and data_root and not os.path.isabs(confidence_dir):
            self.confidence_dir = os.path.join(data_root, confidence_dir)
        self.confidence_threshold = confidence_threshold
        self.verify = verify
        if mask_dir is None and not kwargs.get('test_mode'):
            raise ValueError('PseudoMaskDataset trains on masks; set mask_dir (mask_dir=None is '
                             'for test_mode=True, images without ground truth)')
        prefix = dict(img_path=img_dir, seg_map_path=mask_dir)
        freeze_imports()  # mmengine collects garbage when it reads the list
        super().__init__(
            ann_file=ann_file,
            data_root=data_root,
            data_prefix={key: folder for key, folder in prefix.items() if folder is not None},
            metainfo=metainfo,
            img_suffix=img_suffix,
            seg_map_suffix=mask_suffix,
            max_refetch=max_refetch,
            **kwargs)

    def _names(self) -> list[str]:
        if self.ann_file:
            if not Path(self.ann_file).is_file():
                raise FileNotFoundError(f'image list {self.ann_file} does not exist; ann_file is '
                                        'relative to data_root unless absolute')
            lines = read_text(self.ann_file).splitlines()
            return self._ids([line for line in lines if line.strip()])
        what, folder, suffix = 'mask', self.data_prefix.get('seg_map_path'), self.seg_map_suffix
        if self.test_mode and not os.path.isdir(folder or ''):
            what, folder, suffix = 'img', self.data_prefix['img_path'], self.img_suffix or ''
        if not os.path.isdir(folder):
            raise FileNotFoundError(f'{what} folder {folder} does not exist; check {what}_dir')
        if not suffix:
            return [os.path.splitext(name)[0] for name in images_below(folder)]
        return [name[:-len(suffix)] for name in images_below(folder, (suffix, ))]

    def _ids(self, lines: list[str]) -> list[str]:
        """Image ids in the lines of the list, see ``ann_file``."""
        if self._voc_list:
            return [voc_image_id(line.strip()).removesuffix(self.img_suffix or '')
                    for line in lines]
        spaced = [line for line in lines if line != line.split()[0]]  # "a - Copy " is a name, too
        if any(os.path.isfile(self.image_path(line)) for line in spaced):
            return lines
        return [line.split()[0] for line in lines]

    def image_path(self, name: str) -> str:
        """File of an image by its id."""
        return self._file('img_path', name, self.img_suffix)

    def _file(self, folder: str, name: str, suffix: str | None) -> str:
        stem = os.path.join(self.data_prefix[folder], name)
        return only_file(stem, IMG_SUFFIXES if suffix is None else (suffix, ), os.path.isfile)

    def load_data_list(self) -> list[dict]:
        """The listed images, each checked to have its files."""
        masks = self.data_prefix.get('seg_map_path')
        source = self.ann_file or masks or self.data_prefix['img_path']
        names = self._names()
        if not names:
            raise ValueError(f'{source} is empty: it names no image')
        records = []
        for name in names:
            record = dict(
                name=name,
                img_path=self.image_path(name),
                reduce_zero_label=False,
                seg_fields=[])
            if masks is not None:
                record['seg_map_path'] = self._file('seg_map_path', name, self.seg_map_suffix)
            if self.confidence_dir:
                record['confidence_path'] = os.path.join(self.confidence_dir, f'{name}.png')
                record['confidence_threshold'] = self.confidence_threshold
            records.append(record)
        if self.test_mode and not any(os.path.isfile(x.get('seg_map_path', '')) for x in records):
            print_log(f'{source}: the images have no masks{f" in {masks}" if masks else ""}; they '
                      'can be predicted, but not scored', logger='current', level=logging.WARNING)
            for record in records:
                record.pop('seg_map_path', None)
        for key, what in (('img_path', 'images'), ('seg_map_path', 'masks'),
                          ('confidence_path', 'confidence masks')):
            missing = [x[key] for x in records if x.get(key) and not os.path.isfile(x[key])]
            if missing:
                without = ('; without ground truth, use tools/make_submission.py'
                           if what == 'masks' and self.test_mode else '')
                raise FileNotFoundError(
                    f'{len(missing)} of the {len(records)} {what} of {source} are missing, first '
                    f'{missing[0]}; generate or copy them, or take the ids off the list{without}')
        self._check_names(records)
        if self.verify and is_first_of_node():
            # Decoding releases the GIL: VOC's 10,582 masks are read in seconds.
            with ThreadPoolExecutor(min(8, usable_cores())) as pool:
                for _ in track(pool.map(self._check_record, records, chunksize=64),
                               'masks to train on', len(records), least=1000):
                    pass
        return records

    def _check_names(self, records: list[dict]) -> None:
        """Masks of mmwsss name their classes, inside or in ``classes.txt`` beside them, which must
        be those that ``mask_classes`` says."""
        path = next((x['seg_map_path'] for x in records if x.get('seg_map_path')), None)
        names = read_classes(path) if path else ()
        beside = Path(self.data_prefix.get('seg_map_path') or '', 'classes.txt')
        if path and not names and beside.is_file():
            names = read_text(beside).splitlines()
        names = [name for name in names if name != 'background']
        if names and tuple(names) != self.mask_ids.all_classes:
            raise ValueError(
                f'mask {path} was made for the classes {names[:30]}, but mask_classes (default: '
                f'those of metainfo) says that its ids stand for '
                f'{list(self.mask_ids.all_classes)[:30]}; set mask_classes to the former, or leave '
                'it out where metainfo has them')

    def get_data_info(self, idx: int) -> dict:
        """Record of an image, with the :class:`MaskIds` of its mask."""
        return dict(super().get_data_info(idx), mask_ids=self.mask_ids)

    def _check_record(self, record: dict) -> None:
        size = image_size(record['img_path'])
        if 'seg_map_path' in record:
            load_mask(record['seg_map_path'], self.mask_ids, size)
