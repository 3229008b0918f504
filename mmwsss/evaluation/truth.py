"""Ground truth to score against, from a data set or a plain folder."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mmwsss.datasets.splits import Split
from mmwsss.structures.artifacts import read_mask


class Truth:
    """Masks of images by name.

    Args:
        source: A :class:`Split`, a data set that one can be made of, or a folder of
            ``<name>.png``.
        names: The images to score; by default all of the split.
        num_classes: Number ``C`` of foreground classes; of a folder only.
        ids: Table ``(256,)`` that turns the ids in a folder's files into ``0..C`` and 255, for
            subsets of classes.

    Raises:
        ValueError: There is no image, or a folder comes without ``names`` and ``num_classes``.
        FileNotFoundError: See :class:`Split`.
    """

    def __init__(self, source: Any, names: Sequence[str] | None = None,
                 num_classes: int | None = None, ids: np.ndarray | None = None):
        if isinstance(source, (str, Path)):
            if names is None or num_classes is None:
                raise ValueError(f'folder {source} of ground truth: give names and num_classes')
            self._read = lambda name: self._of_folder(Path(source), name, ids)
        else:
            split = source if isinstance(source, Split) else Split(source)
            names = split.names if names is None else names
            num_classes, self._read = split.num_classes, split.ground_truth
        if not len(names):
            raise ValueError('no names given: the image list is empty')
        self.source, self.names, self.num_classes = source, list(names), num_classes

    @staticmethod
    def _of_folder(folder: Path, name: str, ids: np.ndarray | None) -> np.ndarray:
        mask = read_mask(folder / f'{name}.png')
        return mask if ids is None else ids[mask]

    def __getitem__(self, name: str) -> np.ndarray:
        """Mask ``(H, W)``: 0, ``1..C``, 255 not scored."""
        return self._read(name)
