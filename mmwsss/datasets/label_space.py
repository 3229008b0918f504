"""Which classes a data set has, which of them are chosen, and their colours."""

import difflib
import operator
import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from mmengine import list_from_file

from mmwsss.registry import DATASETS
from mmwsss.utils.palette import voc_palette

from .label_tables import MULTI_HOT, Classes

KEYS = ('classes', 'all_classes', 'palette')


def registered_metainfo(name: str) -> dict:
    """METAINFO of a registered data set; empty if there is none."""
    return dict(getattr(DATASETS.get(name), 'METAINFO', {}))


def _check_keys(metainfo: Mapping) -> None:
    for key in set(metainfo) - set(KEYS):  # else free
        near = difflib.get_close_matches(str(key).lower(), KEYS, n=1, cutoff=0.8)
        if near:
            raise ValueError(f'metainfo has the key "{key}"; did you mean {near[0]}?')


def _read_names(key: str, path: str) -> list[str]:
    if not os.path.isfile(path):
        raise FileNotFoundError(f'metainfo.{key}={path!r} is read as a file of names, which does '
                                f'not exist; the name of a single class is ({path!r}, )')
    return list_from_file(path)


class LabelSpace:
    """All classes of a data set and the subset of them that is chosen.

    Args:
        all_classes: Names of all foreground classes, in the order of the indices of the label table
            and the ids of the masks.
        classes: Those chosen, in the wanted order; None is all.
        palette: RGB of background and each class, of all or of the chosen ones; None is VOC's.
        owner: Who has the classes, for messages.

    Raises:
        ValueError: A chosen class is not known, a class is named twice, or the palette is of
            another length.
    """

    def __init__(self,
                 all_classes: Sequence[str],
                 classes: Sequence[str] | None = None,
                 palette: Sequence | None = None,
                 owner: str = 'the data set'):
        all_classes = tuple(all_classes)
        classes = tuple(classes or all_classes)
        unknown = [c for c in classes if c not in all_classes]
        if unknown:
            raise ValueError(f'metainfo.classes: {unknown} are not classes of {owner}; it has '
                             f'{list(all_classes)}')
        if len(set(classes)) < len(classes) or len(set(all_classes)) < len(all_classes):
            raise ValueError(f'metainfo: a class is named twice in {list(classes)}')
        palette = palette or voc_palette(len(all_classes) + 1)
        if len(palette) == len(all_classes) + 1 != len(classes) + 1:
            palette = [palette[0], *(palette[all_classes.index(c) + 1] for c in classes)]
        if len(palette) != len(classes) + 1:
            raise ValueError(f'metainfo.palette has {len(palette)} colours; background and '
                             f'{len(classes)} classes need {len(classes) + 1}')
        self.all_classes, self.classes, self.owner = all_classes, classes, owner
        self.palette = [list(color) for color in palette]
        # Of each of all classes, its index among the chosen ones, or None.
        self.chosen = [classes.index(c) if c in classes else None for c in all_classes]
        self._index = {name: index for index, name in enumerate(all_classes)}

    @classmethod
    def from_metainfo(cls,
                      metainfo: Mapping,
                      known: Mapping | None = None,
                      default: Callable[[], Sequence[str]] = tuple,
                      owner: str = 'the data set') -> 'LabelSpace':
        """Of the keys ``classes``, ``all_classes`` and ``palette`` of a data set's metainfo.

        Args:
            metainfo: Of the config; names, or the file that lists them.
            known: METAINFO of the data set's class; its ``classes`` are all classes.
            default: Gives all classes where neither names them.
            owner: See the class.
        """
        known = known or {}
        _check_keys(metainfo)
        metainfo = {**known, **metainfo}
        names = {key: _read_names(key, value) if isinstance(value, str) else value
                 for key, value in metainfo.items() if key in ('classes', 'all_classes')}
        everything = (known.get('classes') or names.get('all_classes') or names.get('classes')
                      or default())
        return cls(everything, names.get('classes'), metainfo.get('palette'), owner)

    @classmethod
    def of_masks(cls, metainfo: Mapping,
                 mask_classes: str | Sequence[str] | None = None) -> 'LabelSpace':
        """Of the masks of a segmentation data set.

        Args:
            metainfo: Of the config, as above.
            mask_classes: What the ids in the masks stand for: names, or the name of a registered
                data set whose METAINFO says it; None: the classes of ``metainfo``.

        Raises:
            ValueError: Neither names classes.
        """
        known, owner = {}, 'the masks'
        if isinstance(mask_classes, str):
            known, owner = registered_metainfo(mask_classes), mask_classes
            if 'classes' not in known:
                raise ValueError(f'mask_classes={mask_classes!r} is no registered dataset with '
                                 'classes in its METAINFO')
        elif mask_classes:
            metainfo = {**metainfo, 'all_classes': mask_classes}
        space = cls.from_metainfo(metainfo, known, owner=owner)
        if not space.classes:
            raise ValueError('a data set of masks needs metainfo=dict(classes=...) or mask_classes')
        return space

    def __len__(self) -> int:
        """Number ``C`` of chosen classes."""
        return len(self.classes)

    def indices(self, entry: Classes, name: str, source: str | None) -> list[int]:
        """Sorted indices, among the chosen classes, of an entry of a label table.

        Args:
            entry: Class names, indices into all classes, or a multi-hot array or tensor over them.
            name: The image, for messages.
            source: The table, for messages.

        Raises:
            ValueError: The entry names a class that is not known, or is no multi-hot vector of all.
        """
        chosen = (self.chosen[i] for i in self._all_indices(entry, name, source))
        return sorted(i for i in chosen if i is not None)

    def _all_indices(self, entry: Classes, name: str, source: str | None) -> set[int]:
        count = len(self.all_classes)
        if isinstance(entry, MULTI_HOT):
            entry = np.asarray(entry)
            if entry.shape != (count, ) or not np.isin(entry, (0, 1)).all():
                raise ValueError(
                    f'label of "{name}" in "{source}" must be {count} zeros and ones (the classes '
                    f'of {self.owner}), it has shape {entry.shape}; check metainfo.classes')
            return set(np.flatnonzero(entry).tolist())
        indices = set()
        for item in entry:
            index = self._index_of(item)
            if index is None or not 0 <= index < count:
                shown = self.all_classes[:30]
                raise ValueError(
                    f'unknown class "{item}" of "{name}" in "{source}"; {self.owner} knows '
                    f'{list(shown)}{"..." * (count > 30)}. Fix the table or metainfo (all_classes '
                    'lists all, classes those wanted)')
            indices.add(index)
        return indices

    def _index_of(self, item: Any) -> int | None:
        """Of a class name or an index; None for others, truth values and floats among them."""
        if isinstance(item, str):
            return self._index.get(item, int(item) if item.isdecimal() else None)
        try:
            return None if isinstance(item, bool | np.bool_) else operator.index(item)
        except TypeError:
            return None
