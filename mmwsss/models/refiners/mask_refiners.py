"""From one image's CAM to its mask: the refiners that a config, a tool or the API names."""

import math
from collections.abc import Iterator, Sequence
from copy import copy

import cv2
import numpy as np
import torch
from torch import Tensor

from mmwsss.datasets.mask_ids import IGNORE, mask_ids_of
from mmwsss.registry import MODELS

from ..utils.cam import resize_cam, resize_maps
from ..utils.multi_scale import MAX_SIDE, limited_size
from .base import CAMRefiner
from .crf import CAMCRF, CRF, make_crf

# Refiners by the name that the tools know them by.
REFINERS = dict(
    none=dict(type='ThresholdMask', bg=0.2),
    par=dict(type='PARMask', bg=0.2),
    crf=dict(type='CRFMask', alpha=8, preset='psa'),
    psa=dict(type='PSAMask', alpha=16),
    irn=dict(type='IRNMask', bg=0.25))


# -- small operations ------------------------------------------------------------------------------
def with_background(cam: np.ndarray,
                    bg: float | np.ndarray | None = None,
                    alpha: float | None = None) -> np.ndarray:
    """Put a background score before a CAM.

    Args:
        cam: ``(K, H, W)`` in [0, 1].
        bg: A constant, or a map ``(H, W)``, or
        alpha: ``(1 - max_c cam)^alpha``; a larger one gives less background.

    Returns:
        ``(K + 1, H, W)`` float32.
    """
    cam = np.asarray(cam, np.float32)
    if alpha is None:
        score = np.broadcast_to(np.asarray(bg, np.float32), cam.shape[1:])
    else:
        score = np.clip(1 - cam.max(0), 0, 1)**np.float32(alpha)
    return np.concatenate([score[None], cam])


def reliable_pixels(scores: np.ndarray, keep: float = 0.5) -> np.ndarray:
    """Pixels to trust, as BECO chooses them: of each predicted class the part ``keep`` with the
    largest margin between the best and the second-best score.

    Args:
        scores: ``(K, H, W)``, at least two.
        keep: In (0, 1].

    Returns:
        Boolean ``(H, W)``.
    """
    second, best = np.partition(scores, -2, axis=0)[-2:]
    margin, label = best - second, scores.argmax(0)
    sure = np.zeros(label.shape, bool)
    for name in np.unique(label):
        here = label == name
        sure |= here & (margin >= np.quantile(margin[here], 1 - keep))
    return sure


def chw(image: np.ndarray) -> Tensor:
    """``(H, W, 3)`` to ``(3, H, W)``."""
    return torch.from_numpy(np.ascontiguousarray(image.transpose(2, 0, 1)))


# -- refiners --------------------------------------------------------------------------------------
class MaskRefiner(CAMRefiner):
    """From one image's CAM to its mask. A child overrides :meth:`scores`.

    What ``keep`` leaves out would count as misses, so masks are scored whole, as :meth:`masks` and
    :meth:`whole_and_kept` give them.

    Args:
        bg: Constant background score in [0, 1]; or ``'own'``, the background map that the
            network made beside the CAM (SIPE), which needs CAM files that hold one; or
        alpha: exponent of ``(1 - max CAM)^alpha``; give one of the two.
        crf: A CRF on the refined scores (see :func:`make_crf`), e.g. ``'psa_rw'``.
        keep: Only the most reliable part of each class (BECO: 0.5, see :func:`reliable_pixels`);
            the other pixels become 255.
        max_side: A larger image is refined at this long side, as its CAM was made, and the scores
            are enlarged; None: no limit (PAR takes 4 GB for 24 megapixels).

    Raises:
        ValueError: Not exactly one of ``bg`` and ``alpha``, or one is out of its range.
    """

    def __init__(self,
                 bg: float | str | None = None,
                 alpha: float | None = None,
                 crf: None | str | dict = None,
                 keep: float | None = None,
                 max_side: int | None = MAX_SIDE):
        name = type(self).__name__
        if (bg is None) == (alpha is None):
            raise ValueError(f'{name}: give either bg (a constant background score) '
                             'or alpha (of (1 - max CAM)^alpha)')
        if isinstance(bg, str) and bg != 'own':
            raise ValueError(f"{name}: bg={bg!r} must be a number or 'own'; a rule that chooses "
                             'the threshold is given to the pipeline (pipeline.mask.bg)')
        if isinstance(bg, (int, float)) and not 0 <= bg <= 1:  # also catches nan
            raise ValueError(f'{name}: bg={bg} must be in [0, 1]')
        if alpha is not None and not (alpha > 0 and math.isfinite(alpha)):
            raise ValueError(f'{name}: alpha={alpha} must be positive')
        if keep is not None and not 0 < keep <= 1:
            raise ValueError(f'{name}: keep={keep} must be in (0, 1]')
        self.bg = bg
        self.alpha = alpha
        if max_side is not None and not max_side >= 1:
            raise ValueError(f'{name}: max_side={max_side} must be a number of pixels, or None')
        self.crf = make_crf(crf)
        self.keep = keep
        self.max_side = max_side

    def __init_subclass__(cls, **kwargs):
        super().__init_subclass__(**kwargs)
        # What a parent does for several thresholds at once does not know its child's scores.
        if 'scores' in vars(cls) and 'scores_at' not in vars(cls):
            cls.scores_at = MaskRefiner.scores_at

    @property
    def crfs(self) -> list[CRF]:
        return [] if self.crf is None else [self.crf]

    def with_background(self, cam: np.ndarray, background: np.ndarray | None = None) -> np.ndarray:
        """The CAM ``(K, H, W)`` with this refiner's background before it.

        Args:
            cam: In [0, 1].
            background: Background map ``(H, W)`` of the network, for ``bg='own'``.

        Raises:
            ValueError: ``bg='own'`` without a map.
        """
        if self.bg != 'own':
            return with_background(cam, self.bg, self.alpha)
        if background is None:
            raise ValueError(f"{type(self).__name__}: bg='own' needs CAM files with a background "
                             'map, which only some heads make (SIPE); give bg a number')
        return with_background(cam, background)

    def scores(self, image: np.ndarray, cam: np.ndarray,
               background: np.ndarray | None = None) -> np.ndarray:
        """Refined scores ``(K + 1, H, W)``, background first.

        Args:
            image: Image uint8 BGR ``(H, W, 3)``.
            cam: CAM ``(K, H, W)`` in [0, 1].
            background: Background map ``(H, W)`` of the network, or None.
        """
        return self.with_background(cam, background)

    def scores_at(self, image: np.ndarray, cam: np.ndarray,
                  thresholds: Sequence[float]) -> Iterator[np.ndarray]:
        """:meth:`scores` with each of several constant backgrounds; a child overrides this to do
        once what does not depend on them.

        Args:
            image, cam: As in :meth:`scores`.
            thresholds: Values of ``bg``, in place of the refiner's own ``bg`` or ``alpha``.
        """
        for threshold in thresholds:
            refiner = copy(self)
            refiner.bg, refiner.alpha = threshold, None
            yield refiner.scores(image, cam)

    def masks(self, image: np.ndarray, cam: np.ndarray, keys: Sequence[int],
              thresholds: Sequence[float]) -> Iterator[np.ndarray]:
        """The whole mask with each of several constant backgrounds.

        Args:
            image, cam, keys: As in :meth:`__call__`.
            thresholds: Values of ``bg`` in [0, 1], in place of the refiner's own ``bg`` or
                ``alpha``.

        Yields:
            uint8 ``(H, W)``.
        """
        if len(keys) == 0:
            yield from (np.zeros(image.shape[:2], np.uint8) for _ in thresholds)
            return
        small = self._limited(image)
        cam = resize_cam(cam, small.shape[:2]).numpy()
        for scores in self.scores_at(small, cam, thresholds):
            yield self._labels(small, scores, keys, image.shape[:2])[0]

    def __call__(self, image: np.ndarray, cam: np.ndarray, keys: Sequence[int],
                 background: np.ndarray | None = None) -> np.ndarray:
        return self.whole_and_kept(image, cam, keys, background)[1]

    def whole_and_kept(self, image: np.ndarray, cam: np.ndarray, keys: Sequence[int],
                       background: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
        """The mask before and after :attr:`keep`, of the same refined scores.

        Args:
            image, cam, keys, background: As in :meth:`__call__`.

        Returns:
            uint8 ``(H, W)`` each; one array where nothing is left out.
        """
        if len(keys) == 0:
            whole = np.zeros(image.shape[:2], np.uint8)
            return whole, whole
        small = self._limited(image)
        size = small.shape[:2]
        if background is not None:
            background = resize_cam(np.asarray(background)[None], size)[0].numpy()
        scores = self.scores(small, resize_cam(cam, size).numpy(), background)
        whole, scores = self._labels(small, scores, keys, image.shape[:2])
        if self.keep is None:
            return whole, whole
        return whole, np.where(reliable_pixels(scores, self.keep), whole, np.uint8(IGNORE))

    def _limited(self, image: np.ndarray) -> np.ndarray:
        height, width = size = limited_size(image.shape[:2], self.max_side)
        return image if size == image.shape[:2] else cv2.resize(
            image, (width, height), interpolation=cv2.INTER_AREA)

    def _labels(self, image: np.ndarray, scores: np.ndarray, keys: Sequence[int],
                full: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
        """The whole mask of refined scores after :attr:`crf`, and the scores after it, both at the
        size ``full``.

        Raises:
            ValueError: They are none ``(K + 1, H, W)``.
        """
        size = (len(keys) + 1, *image.shape[:2])
        if np.shape(scores) != size or not np.isfinite(scores).all():
            found = 'some that are no number' if np.shape(scores) == size else (
                f'{type(scores).__name__} {np.shape(scores)}')
            raise ValueError(f'{type(self).__name__}.scores must give scores {size}, background '
                             f'first; it gave {found}')
        if self.crf is not None:
            scores = self.crf(image, scores)
        if full != size[1:]:
            scores = resize_maps(torch.from_numpy(np.ascontiguousarray(scores)), full).numpy()
        return mask_ids_of(keys)[scores.argmax(0)], scores


@MODELS.register_module()
class ThresholdMask(MaskRefiner):
    """The seed itself: argmax of background and CAM."""


@MODELS.register_module()
class PARMask(MaskRefiner):
    """Pixel-adaptive refinement of the softmax of background and CAM, at reduced size.

    Args:
        refiner: Config of :class:`PAR`, :class:`PAMR` or another that refines each channel on its
            own.
        down_scale: Refine at this fraction of the image's size (AFA, KTSE: 2).
        bg, alpha, crf, keep: See :class:`MaskRefiner`.

    Raises:
        ValueError: ``down_scale`` is no integer of at least 1.
    """

    def __init__(self, refiner: dict | None = None, down_scale: int = 2, **kwargs):
        super().__init__(**kwargs)
        if not (isinstance(down_scale, int) and down_scale >= 1):
            raise ValueError(f'PARMask: down_scale={down_scale!r} must be an integer of at least 1')
        self.refiner = MODELS.build(refiner or dict(type='PAR'))
        self.down_scale = down_scale

    @torch.no_grad()
    def refine(self, image: np.ndarray, stacks: Tensor) -> Iterator[np.ndarray]:
        """Refine several ``(N, K + 1, H, W)`` of one image at once, each channel on its own."""
        size = image.shape[:2]
        small = [max(side // self.down_scale, 1) for side in size]
        stacks = resize_maps(stacks, small).softmax(1)
        guide = resize_maps(chw(image).float(), small)
        refined = self.refiner(guide[None], stacks.flatten(0, 1)[None])[0]
        for scores in refined.unflatten(0, stacks.shape[:2]):
            yield resize_maps(scores, size).numpy()

    def scores(self, image: np.ndarray, cam: np.ndarray,
               background: np.ndarray | None = None) -> np.ndarray:
        stack = torch.from_numpy(self.with_background(cam, background))
        return next(self.refine(image, stack[None]))

    def scores_at(self, image: np.ndarray, cam: np.ndarray,
                  thresholds: Sequence[float]) -> Iterator[np.ndarray]:
        return self.refine(image, torch.from_numpy(
            np.stack([with_background(cam, threshold) for threshold in thresholds])))


@MODELS.register_module()
class CRFMask(MaskRefiner):
    """Dense CRF on background and CAM.

    Args:
        preset, unary, gt_prob, all_labels: See :class:`~mmwsss.models.refiners.CAMCRF`.
        bg, alpha, crf, keep: See :class:`MaskRefiner`.
    """

    def __init__(self, preset: str | dict = 'psa', unary: str = 'scores',
                 gt_prob: float = 0.7, all_labels: int | None = None, **kwargs):
        super().__init__(**kwargs)
        self.first_crf = CAMCRF('CRFMask', preset, unary, gt_prob, all_labels)

    @property
    def crfs(self) -> list[CRF]:
        return [self.first_crf.crf, *super().crfs]

    def scores(self, image: np.ndarray, cam: np.ndarray,
               background: np.ndarray | None = None) -> np.ndarray:
        return self.first_crf(image, self.with_background(cam, background))
