"""A mask refiner of one's own: small scattered parts of a class are given to the background."""

import cv2
import numpy as np

from mmwsss.models.refiners import MaskRefiner
from mmwsss.registry import MODELS


def drop_small_parts(scores: np.ndarray, share: float) -> np.ndarray:
    """Set the score of a class to 0 on those connected parts of its seed that are smaller than
    ``share`` of its largest one.

    Args:
        scores: ``(K + 1, H, W)``, background first.
        share: In [0, 1].

    Returns:
        Scores of the same shape.
    """
    scores, seed = scores.copy(), scores.argmax(0)
    for k in range(1, len(scores)):
        count, parts = cv2.connectedComponents((seed == k).astype(np.uint8))
        sizes = np.bincount(parts.ravel(), minlength=count)[1:]
        for part in np.flatnonzero(sizes < share * sizes.max(initial=0)) + 1:
            scores[k][parts == part] = 0
    return scores


@MODELS.register_module()
class PartsMask(MaskRefiner):
    """The seed without its small scattered parts.

    Args:
        share: See :func:`drop_small_parts`.
        bg, alpha, crf, keep: See :class:`MaskRefiner`.

    Raises:
        ValueError: ``share`` is not in [0, 1].
    """

    def __init__(self, share: float = 0.2, **kwargs):
        super().__init__(**kwargs)
        if not 0 <= share <= 1:
            raise ValueError(f'PartsMask: share={share} must be in [0, 1]')
        self.share = share

    def scores(self, image: np.ndarray, cam: np.ndarray,
               background: np.ndarray | None = None) -> np.ndarray:
        return drop_small_parts(self.with_background(cam, background), self.share)
