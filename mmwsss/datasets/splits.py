"""Sets of whole images: what CAMs and masks are made of, and what they are scored on."""

import os
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from mmwsss.registry import DATASETS
from mmwsss.structures.artifacts import read_mask

from .label_space import LabelSpace, registered_metainfo


def inner_dataset(cfg: dict) -> dict:
    """The config of the :class:`ImageLabelDataset` inside wrappers (PairedDataset, ...)."""
    while isinstance(cfg.get('dataset'), dict):
        cfg = cfg['dataset']
    return cfg


def config_classes(cfg: Mapping) -> tuple[list[str] | None, list | None]:
    """Foreground names, and the palette with the background, of the training set of a config; None
    where it names no classes. Nothing but a list of names is read from disk."""
    dataset = inner_dataset(cfg.get('train_dataloader', {}).get('dataset', {}))
    metainfo = dict(dataset.get('metainfo') or {})
    source = dataset.get('mask_classes') or dataset.get('type')
    known = registered_metainfo(source) if isinstance(source, str) else {}
    if isinstance(source, (list, tuple)):
        metainfo['all_classes'] = source
    for info in (metainfo, known):  # mmseg's data sets name the background
        if tuple(info.get('classes') or ())[:1] == ('background', ):
            info['classes'] = info['classes'][1:]
    space = LabelSpace.from_metainfo(metainfo, known)
    return (list(space.classes), space.palette) if space.classes else (None, None)


def build_image_dataset(cfg: dict, masks: bool = False) -> Any:
    """Build a data set of whole images from that of a training or validation loader.

    Args:
        cfg: Config of a data set, possibly wrapped; its views are left out.
        masks: Also check that every image has a ground-truth mask.

    Raises:
        FileNotFoundError, ValueError: See :class:`ImageLabelDataset`.
    """
    cfg = {key: value for key, value in inner_dataset(cfg).items() if key != 'views'}
    load = [dict(type='LoadImage'), *([dict(type='LoadMask')] if masks else [])]
    dataset = DATASETS.build({**cfg, 'pipeline': [*load, dict(type='PackWSSSInputs')]})
    dataset.full_init()
    return dataset


class Split:
    """Images that may have ground truth.

    Args:
        dataset: Config of a data set (see :func:`build_image_dataset`), or the data set: an
            :class:`ImageLabelDataset` or a :class:`PseudoMaskDataset`.
        name: By default that of the list.

    Raises:
        FileNotFoundError: Some images have a ground-truth mask and some have none.
    """

    def __init__(self, dataset: Any, name: str | None = None):
        self.dataset = build_image_dataset(dataset) if isinstance(dataset, dict) else dataset
        self.name = name or Path(self.dataset.ann_file or '').stem or 'images'
        paths = self._paths.values()
        there = [path is not None and Path(path).is_file() for path in paths]
        self.has_ground_truth = bool(there) and all(there)
        if any(there) and not all(there):
            missing = [path for path, known in zip(paths, there) if not known]
            raise FileNotFoundError(
                f'{len(missing)} of the {len(there)} ground-truth masks of split "{self.name}" are '
                f'missing, e.g. "{missing[0]}"; complete them, or take the images off the list')

    @property
    def names(self) -> list[str]:
        """Ids of the images, in the order of the list."""
        return list(self._paths)

    @property
    def num_classes(self) -> int:
        """Number ``C`` of foreground classes."""
        return self.dataset.mask_ids.num_classes

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the foreground classes."""
        return self.dataset.mask_ids.classes

    def __len__(self) -> int:
        return len(self._paths)

    def ground_truth(self, name: str) -> np.ndarray:
        """Mask of an image, uint8 ``(H, W)``: 0, ``1..C``, 255 not scored.

        Raises:
            FileNotFoundError: It has none.
            ValueError: The file cannot be decoded, or has an id that no class stands for.
        """
        path = self._paths[name]
        if path is None:
            raise FileNotFoundError(f'no ground truth of "{name}"; the data set was not told '
                                    'where: set seg_dir=...')
        return self.dataset.mask_ids.decode(read_mask(path), path)

    @cached_property
    def images(self) -> dict[str, str]:
        """Files of the images by name."""
        infos = (self.dataset.get_data_info(i) for i in range(len(self.dataset)))
        return {info['name']: info['img_path'] for info in infos}

    @cached_property
    def _paths(self) -> dict[str, str | None]:
        infos = (self.dataset.get_data_info(i) for i in range(len(self.dataset)))
        return {info['name']: info.get('seg_map_path') for info in infos}


class ImageUnion:
    """Several data sets as one, each image once.

    Args:
        datasets: Of one label space; ``metainfo`` is that of the first.

    Raises:
        ValueError: Two images have one name.
    """

    def __init__(self, datasets: Sequence):
        self.metainfo = datasets[0].metainfo
        self._items = []
        seen: dict[str, str] = {}
        for dataset in datasets:
            for i in range(len(dataset)):
                info = dataset.get_data_info(i)
                name, path = info['name'], info['img_path']
                if name not in seen:
                    seen[name] = path
                    self._items.append((dataset, i))
                elif path != seen[name] and os.path.realpath(path) != os.path.realpath(seen[name]):
                    raise ValueError(
                        f'"{seen[name]}" and "{path}" are two images of one name, "{name}", by '
                        'which CAMs and masks are kept: rename one, or let img_dir be the folder '
                        'above both, so that their names have the folder')

    def __len__(self) -> int:
        return len(self._items)

    def get_data_info(self, index: int) -> dict:
        dataset, i = self._items[index]
        return dataset.get_data_info(i)

    def __getitem__(self, index: int) -> dict:
        dataset, i = self._items[index]
        return dataset[i]
