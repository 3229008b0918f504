"""What the affinity networks learn from: confident labels that two backgrounds agree on."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from mmwsss.datasets.mask_ids import mask_ids_of
from mmwsss.registry import MODELS
from mmwsss.structures.artifacts import save_affinity_scores

from ..utils.cam import resize_cam
from .base import CAMRefiner
from .confident_labels import combine_confident
from .crf import CAMCRF, CRF
from .mask_refiners import with_background

# By the name that the tool knows them by.
AFFINITY_LABELS = dict(
    ir_label=dict(type='IRLabel', fg=0.30, bg=0.05),
    affinity=dict(type='AffinityScores', low=4, high=32))


@MODELS.register_module()
class IRLabel(CAMRefiner):
    """The confident labels that IRNet learns from: label CRF at two backgrounds. The result is a
    mask uint8 ``(H, W)``: 0, ``1..C``, 255 not confident.

    Args:
        fg: Background score of the map that finds foreground (0.30); or ``'own'``, the network's
            background map (SIPE), for both.
        bg: Of the map that finds background (IRN 0.05, KTSE 0.10); or ``'own'``.
        preset: CRF of both, see :func:`make_crf`.
        gt_prob: Confidence in the labels before the CRF, in (0, 1).
        bg_factor: With ``'own'``, the map that finds background takes this times the network's
            background (SIPE 0.5).

    Raises:
        ValueError: A background or ``gt_prob`` is out of its range, or only one background is
            ``'own'``.
    """

    def __init__(self, fg: float | str = 0.30, bg: float | str = 0.05,
                 preset: str | dict = 'irn_label', gt_prob: float = 0.7, bg_factor: float = 0.5):
        self.first_crf = CAMCRF('IRLabel', preset, 'labels', gt_prob)
        if 'own' in (fg, bg):
            if fg != bg:
                raise ValueError(f"IRLabel: fg={fg!r} and bg={bg!r}; 'own' is for both")
            if not 0 < bg_factor <= 1:
                raise ValueError(f'IRLabel: bg_factor={bg_factor} must be in (0, 1]')
        elif isinstance(fg, str) or isinstance(bg, str) or not 0 <= bg <= fg <= 1:
            raise ValueError(f'IRLabel: bg={bg!r} must not exceed fg={fg!r}, both in [0, 1], or '
                             "both 'own'")
        self.fg = fg
        self.bg = bg
        self.bg_factor = bg_factor

    @property
    def crfs(self) -> list[CRF]:
        return [self.first_crf.crf]

    def __call__(self, image: np.ndarray, cam: np.ndarray, keys: Sequence[int],
                 background: np.ndarray | None = None) -> np.ndarray:
        size = image.shape[:2]
        if len(keys) == 0:
            return np.zeros(size, np.uint8)
        cam = resize_cam(cam, size).numpy()
        maps = []
        for score in self._backgrounds(background, size):
            label = self.first_crf(image, with_background(cam, score)).argmax(0)
            maps.append(torch.from_numpy(mask_ids_of(keys)[label]))
        return combine_confident(*maps).numpy()

    def _backgrounds(self, background: np.ndarray | None, size: tuple[int, int]) -> tuple:
        """Of the map that finds foreground, and of that which finds background."""
        if self.bg != 'own':
            return self.fg, self.bg
        if background is None:
            raise ValueError("IRLabel: bg='own' needs CAM files with a background map, which only "
                             'some heads make (SIPE); give fg and bg numbers')
        own = resize_cam(np.asarray(background)[None], size)[0].numpy()
        return own, self.bg_factor * own


@MODELS.register_module()
class AffinityScores(CAMRefiner):
    """What AffinityNet learns from: CRF scores under much and under little background.

    The result is a dict ``scores`` float16 ``(2, K + 1, H, W)`` and ``keys``, written as ``.npz``
    for :class:`LoadAffinityScores`.

    Args:
        low: Small alpha, much background (PSA 4, AEFT 2, MCTformer 1).
        high: Large alpha, little background (PSA 32, AEFT 21, MCTformer 12).
        preset, unary, gt_prob, all_labels: See :class:`~mmwsss.models.refiners.CAMCRF`; PPC
            ``unary='labels'``, .7 and 21.

    Raises:
        ValueError: An option is out of its range.
    """

    suffix = '.npz'

    def __init__(self, low: float = 4, high: float = 32, preset: str | dict = 'psa',
                 unary: str = 'scores', gt_prob: float = 0.7, all_labels: int | None = None):
        self.first_crf = CAMCRF('AffinityScores', preset, unary, gt_prob, all_labels)
        if not 0 < low <= high:
            raise ValueError(f'AffinityScores: low={low} must be positive and must not exceed '
                             f'high={high}')
        self.alphas = (low, high)

    @property
    def crfs(self) -> list[CRF]:
        return [self.first_crf.crf]

    def __call__(self, image: np.ndarray, cam: np.ndarray, keys: Sequence[int],
                 background: np.ndarray | None = None) -> dict:
        keys = np.asarray(keys, np.int64)
        cam = resize_cam(cam, image.shape[:2]).numpy()
        if len(keys) == 0:
            scores = [np.ones((1, *image.shape[:2]))] * 2
        else:
            scores = [self.first_crf(image, with_background(cam, alpha=alpha))
                      for alpha in self.alphas]
        return dict(scores=np.asarray(scores, np.float16), keys=keys)

    def save(self, path: str | Path, result: dict, palette: Sequence = (),
             classes: Sequence[str] = ()) -> None:
        save_affinity_scores(path, **result)
