"""What refiners of masks and targets of affinity networks share."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from mmwsss.structures.artifacts import write_mask

from .crf import CRF


class CAMRefiner(ABC):
    """Makes something of the CAM of one image, and writes it."""

    suffix = '.png'
    """Ending of the file."""
    device = torch.device('cpu')
    """Where it computes; processes that are forked cannot share a GPU."""
    keep: float | None = None
    """Part of the pixels of a mask that stays, if not all; see :class:`MaskRefiner`."""

    @property
    def crfs(self) -> list[CRF]:
        """The CRFs that it uses: which ones they are changes the result a little, and they may
        compute elsewhere than the refiner."""
        return []

    @abstractmethod
    def __call__(self, image: np.ndarray, cam: np.ndarray, keys: Sequence[int],
                 background: np.ndarray | None = None) -> Any:
        """
        Args:
            image: Image uint8 BGR ``(H, W, 3)``.
            cam: CAM in [0, 1] of the classes present, ``(K, h, w)``; resized to the image.
            keys: Their indices ``0..C-1``.
            background: Background map ``(h, w)`` in [0, 1] of the network, if the CAM file holds
                one; only ``bg='own'`` uses it.

        Returns:
            A mask uint8 ``(H, W)``: 0 background, ``1..C``, 255 not reliable; or what
            :meth:`save` can write.
        """

    def save(self, path: str | Path, result: Any, palette: Sequence = (),
             classes: Sequence[str] = ()) -> None:
        """Write what :meth:`__call__` returned, whole or not at all; see :func:`write_mask`."""
        write_mask(path, result, palette, classes)
