"""Ids in mask files <-> ids of the chosen classes; nothing else translates them."""

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

import numpy as np

IGNORE = 255
MAX_CLASSES = IGNORE - 1


class MaskIds:
    """What the ids in the mask files of a data set stand for.

    In files, 0 is background, 1, 2, ... are all classes in their order, and 255 is ignored.
    Decoded, the chosen classes are 1, 2, ... in theirs, and the classes left out are 255.

    Args:
        all_classes: Foreground classes that the ids 1, 2, ... of the files stand for.
        classes: Those wanted, in the wanted order; None is all.

    Raises:
        ValueError: A wanted class is not one of all, one is called "background", or there are more
            than 254 classes, which do not fit a mask of 8 bits.
    """

    def __init__(self, all_classes: Sequence[str], classes: Sequence[str] | None = None):
        self.all_classes = tuple(all_classes)
        self.classes = self.all_classes if classes is None else tuple(classes)
        unknown = [name for name in self.classes if name not in self.all_classes]
        if unknown:
            raise ValueError(f'classes {unknown} are not among the classes of the masks '
                             f'{list(self.all_classes)}')
        if 'background' in self.all_classes:
            raise ValueError('leave "background" out of the classes and the labels; it is id 0 of '
                             'the masks, and an image of no class has no label')
        if len(self.all_classes) > MAX_CLASSES:
            raise ValueError(
                f'{len(self.all_classes)} classes do not fit a mask of 8 bits, which holds '
                f'background, {MAX_CLASSES} classes and 255 (ignored); take a subset, or merge '
                'classes')
        # Of each id in a file the id of a chosen class; -1 is no class.
        self.table = np.full(256, -1, np.int16)
        self.table[[0, IGNORE]] = 0, IGNORE
        index = {name: number for number, name in enumerate(self.classes, 1)}
        self.table[1:len(self.all_classes) + 1] = [
            index.get(name, IGNORE) for name in self.all_classes]

    @property
    def num_classes(self) -> int:
        """Number ``C`` of chosen classes."""
        return len(self.classes)

    @cached_property
    def of_chosen(self) -> 'MaskIds':
        """For files whose ids 1, 2, ... are the chosen classes already: prior and pseudo masks."""
        return MaskIds(self.classes)

    def decode(self, mask: np.ndarray, path: str | Path) -> np.ndarray:
        """The mask in ids of the chosen classes, uint8: 0, ``1..C`` and 255.

        Args:
            mask: Ids in the file, integers of any shape.
            path: The file, for the message.

        Raises:
            ValueError: An id stands for no class; names the file and the id.
        """
        mask = np.asarray(mask)
        if not np.issubdtype(mask.dtype, np.integer):
            raise ValueError(f'mask "{path}" is of type {mask.dtype}; class ids are integers')
        outside = mask[(mask < 0) | (mask > IGNORE)] if mask.dtype != np.uint8 else mask[:0]
        used = np.flatnonzero(np.bincount(mask.ravel(), minlength=256)) if not outside.size else []
        wrong = outside if outside.size else used[self.table[used] < 0]
        if wrong.size:
            raise ValueError(
                f'mask "{path}" has the class id {wrong.flat[0]}, out of range: ids are 0 '
                f'(background) to {len(self.all_classes)} and 255 (ignored); check the classes of '
                'the data set, their order and number, or fix the mask')
        return self.table.astype(np.uint8)[mask]

    def encode(self, mask: np.ndarray) -> np.ndarray:
        """The inverse of :meth:`decode`: ids of the files, uint8."""
        ids = np.full(256, IGNORE, np.uint8)
        for file_id in range(len(self.all_classes) + 1):
            if self.table[file_id] != IGNORE:
                ids[self.table[file_id]] = file_id
        return ids[mask]


def mask_ids_of(keys: Sequence[int]) -> np.ndarray:
    """Mask ids of background and the classes ``keys``: uint8 ``[0, k_1 + 1, k_2 + 1, ...]``.

    ``mask_ids_of(keys)[scores.argmax(0)]`` is the mask of scores ``(1 + K, H, W)`` whose first map
    is the background.

    Raises:
        ValueError: A class has no id in a mask of 8 bits.
    """
    ids = np.concatenate([[0], np.asarray(keys, np.int64).reshape(-1) + 1])
    if (ids[1:] < 1).any() or (ids > MAX_CLASSES).any():
        raise ValueError(f'class indices {(ids[1:] - 1).tolist()}: a mask of 8 bits holds the '
                         f'classes 0..{MAX_CLASSES - 1}')
    return ids.astype(np.uint8)
