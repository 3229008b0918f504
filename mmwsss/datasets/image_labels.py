"""Images with image-level labels."""

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import PurePosixPath

import numpy as np
from mmengine.dataset import BaseDataset
from mmengine.logging import print_log

from mmwsss.registry import DATASETS, TRANSFORMS
from mmwsss.utils.images import IMG_SUFFIXES, images_below, only_file
from mmwsss.utils.io import read_text
from mmwsss.utils.setup_env import freeze_imports

from .annotations import LabelTable
from .child_checks import check_label_table, check_records
from .label_space import LabelSpace
from .label_tables import MULTI_HOT, Classes, read_label_table
from .mask_ids import MaskIds
from .samplers import DRAWN, sample_rng
from .views.base import build_views


class _Files:
    """Existence checks that list each folder once."""

    def __init__(self):
        self.listings: dict[str, set] = {}

    def __contains__(self, path: str) -> bool:
        folder, name = os.path.split(path)
        if folder not in self.listings:
            self.listings[folder] = set(os.listdir(folder or '.')) if os.path.isdir(
                folder or '.') else set()
        return name in self.listings[folder]


@DATASETS.register_module()
class ImageLabelDataset(BaseDataset):
    """Any folder of images and a table of their classes; masks and further maps are optional.

    All relative paths are relative to ``data_root``. The list, the labels and the existence of all
    files that the pipeline reads are checked when the data set is built; a damaged image is an
    error when it is read, never silently replaced.

    A sample is prepared under random numbers derived from ``(seed, epoch, index)``, so it depends
    neither on workers, nor on the number of processes, nor on what was drawn before.

    Args:
        data_root: Folder of the data set.
        ann_file: The list: one image id per line, with or without the ending of the file. Without
            it, all images of the label table.
        label_file: The label table, see :func:`read_label_table`. May be left out in ``test_mode``:
            then samples have no ``gt_label``.
        pipeline: Transforms, as configs or callables.
        views: What samples show beside their image, as configs of :class:`DataView` children, e.g.
            ``[dict(type='PairedView', begin=10), dict(type='CrossDomainView', begin=16)]``. Their
            order does not matter.
        metainfo: ``classes`` (foreground names) picks and orders classes, as in mmseg: the others
            leave the labels and become 255 in masks. Where the data set does not know its classes
            (this class; not VOC or COCO), ``classes`` are all of them, and to take a subset one
            gives all, in the order of indices and mask ids, as ``all_classes``. Without any, they
            are those that the table names, in its order if it has one (the header of a wide CSV,
            COCO's categories, YOLO's ``classes.txt``), else sorted. ``palette``: RGB of background
            and each class.
        img_dir: Folder of the images.
        img_suffix: Their ending; None looks for the usual ones.
        seg_dir: Folder of the masks, with ids ``1..`` in the order of all classes; ``seg_suffix``
            their ending.
        saliency_dir: Folder of saliency maps (grey images, 255 salient).
        prior_dir: Folder of prior masks (ids ``1..C`` of ``classes``).
        indices: The first n images (the last, if negative), or which.
        seed: Seed of the augmentation.
        drop_empty: Leave images without any of the classes out; else they are an error.
        allow_negatives: Keep images without any of the classes, with an all-zero label.
        check_files: Check the existence of all files when the data set is built.
        test_mode: No labels needed.
        lazy_init: Read nothing until used.

    Raises:
        FileNotFoundError: The list, the table, an image, or a map that the pipeline reads is
            missing.
        ValueError: The list is empty or has an id twice; an image has no label, no class, or a
            class that is not known. The text names the file and what to do.
    """

    METAINFO: dict = {}

    def __init__(self,
                 data_root: str = '',
                 ann_file: str = '',
                 label_file: str | None = None,
                 pipeline: Sequence[dict | Callable] = (),
                 views: Sequence[dict] = (),
                 metainfo: dict | None = None,
                 img_dir: str = '',
                 img_suffix: str | None = None,
                 seg_dir: str | None = None,
                 seg_suffix: str = '.png',
                 saliency_dir: str | None = None,
                 saliency_suffix: str = '.png',
                 prior_dir: str | None = None,
                 prior_suffix: str = '.png',
                 indices: int | Sequence[int] | None = None,
                 seed: int = 0,
                 drop_empty: bool = False,
                 allow_negatives: bool = False,
                 check_files: bool = True,
                 test_mode: bool = False,
                 lazy_init: bool = False):
        self.data_root = str(data_root or '')
        self.label_file = label_file and self._path(label_file)
        self.img_dir = self._path(img_dir)
        self.img_suffix = img_suffix
        # field of the record -> (option, folder, ending)
        self.map_dirs = {
            field: (option, self._path(folder), suffix)
            for field, option, folder, suffix in (
                ('seg_map_path', 'seg_dir', seg_dir, seg_suffix),
                ('saliency_path', 'saliency_dir', saliency_dir, saliency_suffix),
                ('prior_path', 'prior_dir', prior_dir, prior_suffix),
            ) if folder is not None
        }
        self.subset = indices
        self.seed = seed
        if drop_empty and allow_negatives:
            raise ValueError('drop_empty=True leaves images without any of the classes out, '
                             'allow_negatives=True keeps them; set one of the two')
        self.drop_empty = drop_empty
        self.allow_negatives = allow_negatives
        self.check_files = check_files
        self.test_mode = test_mode
        self.views = build_views(views)
        self._table: LabelTable | None = None
        self.label_space = LabelSpace.from_metainfo(
            metainfo or {}, self.METAINFO, self._classes_of_table, type(self).__name__)
        self.mask_ids = MaskIds(self.label_space.all_classes, self.label_space.classes)
        metainfo = {**self.METAINFO, **(metainfo or {}), 'classes': self.label_space.classes,
                    'palette': self.label_space.palette}
        metainfo.pop('all_classes', None)
        super().__init__(
            ann_file=str(ann_file or ''),
            metainfo=metainfo,
            data_root=self.data_root,
            data_prefix={},
            pipeline=[TRANSFORMS.build(t) if isinstance(t, dict) else t for t in pipeline],
            test_mode=test_mode,
            lazy_init=lazy_init)

    # -- hooks for children ------------------------------------------------------------------------
    def key_to_name(self, key: int) -> str:
        """Id of an integer key of a label table; VOC's ``2007000032`` is ``2007_000032``."""
        key = str(key)
        return f'{key[:4]}_{key[4:]}' if len(key) == 10 and key[:2] == '20' else key

    def parse_line(self, line: str) -> str:
        """Image id in a line of the list."""
        return line.strip()

    def read_labels(self, names: list[str] | None) -> Mapping[str, Classes] | None:
        """The label table by image id.

        Args:
            names: The images asked for; None for all.

        Returns:
            ``{name: classes}``, which may name further images: a list of class names or of indices
            into all classes, or a multi-hot NumPy array or tensor ``(C, )`` over them (a list of
            zeros and ones is refused). None if there are no labels.
        """
        if self.label_file is None:
            return None
        if self._table is None:
            entries = read_label_table(self.label_file)
            table = LabelTable(order=entries.order)
            for key, classes in entries.items():
                name = self.key_to_name(key) if isinstance(key, int) else key
                name = self._split(name, self.label_file)[0]
                if name in table:
                    raise ValueError(
                        f'label table "{self.label_file}" has "{name}" twice (with and without the '
                        'ending of the file); keep one entry')
                table[name] = classes
            self._table = table
        return self._table

    @property
    def label_source(self) -> str | None:
        """Where the labels are from, for messages."""
        return self.label_file

    # -- classes -----------------------------------------------------------------------------------
    def _path(self, path: str) -> str:
        return os.path.join(self.data_root, path)

    def _labels(self, names: list[str] | None) -> Mapping[str, Classes] | None:
        """What :meth:`read_labels` gives, checked, since children override it."""
        table = self.read_labels(names)
        check_label_table(table, type(self).__name__)
        return table

    def _classes_of_table(self) -> list[str]:
        table, names = self._labels(None) or {}, set()
        for classes in table.values():
            if isinstance(classes, MULTI_HOT) or any(isinstance(c, int) for c in classes):
                names = set()
                break
            names.update(classes)
        order = getattr(table, 'order', ())
        if not names and not order:
            raise ValueError(
                f'{type(self).__name__} does not know its classes: "{self.label_source}" does not '
                'name them; give metainfo=dict(classes=(...)) in the order of the indices')
        rest = names - set(order)
        return [*order, *sorted(rest, key=int if all(map(str.isdigit, rest)) else None)]

    # -- list --------------------------------------------------------------------------------------
    @staticmethod
    def _split(name: str, source: str) -> tuple[str, str]:
        """Id and ending, if it is one of an image, of a name in the file ``source``."""
        path = PurePosixPath(name)
        if path.is_absolute() or '..' in path.parts or not path.parts:
            raise ValueError(f'"{source}": "{name}" is no image id, which is a path below img_dir')
        if path.suffix in IMG_SUFFIXES:
            return name[:-len(path.suffix)], path.suffix
        return name, ''

    def _listed(self) -> list[str] | None:
        """Names in ``ann_file``."""
        if not self.ann_file:
            return None
        if not os.path.isfile(self.ann_file):
            raise FileNotFoundError(f'no list "{self.ann_file}"; ann_file is relative to data_root '
                                    'unless absolute')
        lines = read_text(self.ann_file).splitlines()
        return [self.parse_line(line) for line in lines if line.strip()]

    def _images_of_folder(self) -> list[str]:
        if not os.path.isdir(self.img_dir):
            raise FileNotFoundError(f'no folder of images "{self.img_dir}"; check data_root and '
                                    'img_dir')
        return images_below(
            self.img_dir, (self.img_suffix, ) if self.img_suffix else IMG_SUFFIXES)

    def load_data_list(self) -> list[dict]:
        """Records ``name`` (unique), ``img_path``, ``labels`` (indices into ``classes``; optional
        in ``test_mode``) and, of each folder of maps that was given, ``seg_map_path``,
        ``saliency_path`` or ``prior_path``."""
        source = self.ann_file or self.label_source or self.img_dir
        lines = self._listed()
        names = None if lines is None else [self._split(line, source)[0] for line in lines]
        labels = self._labels(names)
        self._table = None
        if labels is None and not self.test_mode:
            raise ValueError(f'{type(self).__name__} needs labels; give label_file (.json, .csv, '
                             '.txt or .npy), or test_mode=True for images without labels')
        if lines is None:
            lines = sorted(labels) if labels is not None else self._images_of_folder()
        records = {}
        for line in lines:
            name, suffix = self._split(line, source)
            if name in records:
                raise ValueError(f'"{source}" has "{name}" twice; keep one line of it')
            records[name] = dict(name=name, suffix=suffix)
        if not records:
            raise ValueError(f'"{source}" is empty: it names no image')
        records = list(records.values())
        if labels is not None:
            records = self._add_labels(records, labels, source)
        if isinstance(self.subset, int):
            records = records[:self.subset] if self.subset >= 0 else records[self.subset:]
        elif self.subset is not None:
            records = [records[i] for i in self.subset]
        if not records:
            raise ValueError(f'"{source}" is empty after indices={self.subset} and drop_empty')
        self._add_paths(records, source)
        return records

    def _add_labels(self, records: list[dict], labels: dict[str, Classes],
                    source: str) -> list[dict]:
        missing = [record['name'] for record in records if record['name'] not in labels]
        if missing:
            raise ValueError(
                f'{len(missing)} images of "{self.ann_file}" have no label in '
                f'"{self.label_source}", e.g. "{missing[0]}"; add them to the table or take them '
                'off the list')
        kept, empty = [], []
        for record in records:
            name = record['name']
            record['labels'] = self.label_space.indices(labels[name], name, self.label_source)
            legal = record['labels'] or self.test_mode or self.allow_negatives
            (kept if legal else empty).append(record)
        if empty and not self.drop_empty:
            raise ValueError(
                f'{len(empty)} images of "{source}" have none of the classes '
                f'{list(self.metainfo["classes"])}, e.g. "{empty[0]["name"]}"; add their labels, '
                'or set drop_empty=True to leave them out, or allow_negatives=True to train on '
                'them as images of no class')
        if empty:
            print_log(f'{type(self).__name__}: {len(empty)} of {len(records)} images dropped, '
                      'they have none of the classes', logger='current')
        return kept

    def _add_paths(self, records: list[dict], source: str) -> None:
        files = _Files()
        suffixes = (self.img_suffix, ) if self.img_suffix else IMG_SUFFIXES
        transforms = [*self.pipeline.transforms,
                      *(t for view in self.views for t in view.transforms(self))]
        needed = {t.path_field for t in transforms if hasattr(t, 'path_field')}
        options = dict(seg_map_path='seg_dir', saliency_path='saliency_dir', prior_path='prior_dir')
        for field in needed - set(self.map_dirs):
            raise ValueError(f'the pipeline reads {field}, but {type(self).__name__} was not told '
                             f'where: set {options.get(field, field)}=...')
        missing: dict[str, list[str]] = {}
        for record in records:
            stem, suffix = os.path.join(self.img_dir, record['name']), record.pop('suffix')
            record['img_path'] = only_file(
                stem, (suffix, ) if suffix else suffixes, files.__contains__)
            if self.check_files and record['img_path'] not in files:
                missing.setdefault('img_dir', []).append(record['img_path'])
            for field, (option, folder, ending) in self.map_dirs.items():
                record[field] = os.path.join(folder, record['name'] + ending)
                if self.check_files and field in needed and record[field] not in files:
                    missing.setdefault(option, []).append(record[field])
        for option, paths in missing.items():
            raise FileNotFoundError(
                f'{len(paths)} of {len(records)} files named by "{source}" are missing, e.g. '
                f'"{paths[0]}"; check data_root="{self.data_root}", {option} and the ending, or '
                'take them off the list')

    # -- samples -----------------------------------------------------------------------------------
    def label_matrix(self) -> np.ndarray:
        """Multi-hot labels ``(len, C)`` float32 of all images."""
        matrix = np.zeros((len(self), len(self.metainfo['classes'])), np.float32)
        for index in range(len(self)):
            matrix[index, self.get_data_info(index).get('labels', [])] = 1
        return matrix

    def get_cat_ids(self, idx: int) -> list[int]:
        """Class indices of an image (for mmengine's ``ClassBalancedDataset``)."""
        return self.get_data_info(idx)['labels']

    def get_data_info(self, idx: int) -> dict:
        """Record of an image, with ``gt_label`` and the :class:`MaskIds` of its masks."""
        info = super().get_data_info(int(idx))
        if 'labels' in info:
            info['gt_label'] = np.zeros(len(self.label_space), np.float32)
            info['gt_label'][info['labels']] = 1
        info['mask_ids'] = self.mask_ids
        return info

    def full_init(self) -> None:
        """Read list and labels, check the files, and set the views up."""
        if not self._fully_initialized:
            freeze_imports()  # mmengine collects garbage now
            super().full_init()
            if type(self).load_data_list is not ImageLabelDataset.load_data_list:
                check_records(map(super().get_data_info, range(len(self))), type(self).__name__,
                              self.map_dirs, len(self.label_space), self.test_mode)
            for view in self.views:
                view.setup(self)

    def load(self, idx: int, *key: int, pipeline: Callable | None = None) -> dict:
        """Run the pipeline (or another one) on image ``idx`` under random numbers made of
        ``(seed, *key)``."""
        with sample_rng(self.seed, *key):
            try:
                sample = (pipeline or self.pipeline)(self.get_data_info(idx))
            except KeyError as error:
                if ' ' in str(error.args[0]):  # a sentence for the user
                    raise
                raise ValueError(f'a step of the pipeline lacks {error}, which a step before it '
                                 'must make (LoadImage comes first)') from error
        if sample is None:
            name = self.get_data_info(idx)['name']
            raise ValueError(f'the pipeline gave nothing for "{name}"; every transform must return '
                             'the results')
        return sample

    def prepare_data(self, idx: int) -> dict:
        """The sample of ``idx``, an :class:`EpochIndex` (or an int: the epoch is that of the
        wrapper around, else 0), with its views."""
        index = int(idx) % len(self)
        epoch, draw = (idx.epoch, 0) if hasattr(idx, 'epoch') else DRAWN.get()
        sample = self.load(idx, epoch, index, draw)
        for view in self.views:
            sample = view(sample, index, epoch)
        return sample

    def __getitem__(self, idx: int) -> dict:
        if not self._fully_initialized:
            self.full_init()
        if not -len(self) <= idx < len(self):
            raise IndexError(f'sample {idx} of {len(self)}')
        return self.prepare_data(idx)
