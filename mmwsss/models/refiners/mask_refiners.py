"""From one image's CAM to its mask: the refiners that a config, a tool or the API names."""

import math
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from mmwsss.datasets.mask_ids import IGNORE, mask_ids_of
from mmwsss.registry import MODELS
from mmwsss.utils.checkpoint import load_pretrained
from mmwsss.utils.setup_env import choose_device

from ..utils.cam import resize_cam, resize_maps
from .base import CAMRefiner
from .crf import make_crf
from .random_walk import (
    fitting_radius,
    irn_affinity,
    map_stride,
    pool_scores,
    psa_affinity,
    random_walk,
)

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


def _chw(image: np.ndarray) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(image.transpose(2, 0, 1)))


# -- refiners --------------------------------------------------------------------------------------
class MaskRefiner(CAMRefiner):
    """From one image's CAM to its mask. A child overrides :meth:`scores`.

    Args:
        bg: Constant background score in [0, 1]; or ``'own'``, the background map that the
            network made beside the CAM (SIPE), which needs CAM files that hold one; or
        alpha: exponent of ``(1 - max CAM)^alpha``; give one of the two.
        crf: A CRF on the refined scores (see :func:`make_crf`), e.g. ``'psa_rw'``.
        keep: Only the most reliable part of each class (BECO: 0.5, see :func:`reliable_pixels`);
            the other pixels become 255.

    Raises:
        ValueError: Not exactly one of ``bg`` and ``alpha``, or one is out of its range.
    """

    def __init__(self,
                 bg: float | str | None = None,
                 alpha: float | None = None,
                 crf: None | str | dict = None,
                 keep: float | None = None):
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
        self.crf = make_crf(crf)
        self.keep = keep

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

    def __call__(self, image: np.ndarray, cam: np.ndarray, keys: Sequence[int],
                 background: np.ndarray | None = None) -> np.ndarray:
        size = image.shape[:2]
        if len(keys) == 0:
            return np.zeros(size, np.uint8)
        args = [image, resize_cam(cam, size).numpy()]
        if background is not None and self.bg == 'own':
            args.append(resize_cam(np.asarray(background)[None], size)[0].numpy())
        scores = self.scores(*args)
        if self.crf is not None:
            scores = self.crf(image, scores)
        mask = mask_ids_of(keys)[scores.argmax(0)]
        if self.keep is not None:
            mask[~reliable_pixels(scores, self.keep)] = IGNORE
        return mask


@MODELS.register_module()
class ThresholdMask(MaskRefiner):
    """The seed itself: argmax of background and CAM."""


@MODELS.register_module()
class PARMask(MaskRefiner):
    """Pixel-adaptive refinement of the softmax of background and CAM, at reduced size.

    Args:
        refiner: Config of :class:`PAR` or :class:`PAMR`.
        down_scale: Refine at this fraction of the image's size (AFA, KTSE: 2).
        bg, alpha, crf, keep: See :class:`MaskRefiner`.
    """

    def __init__(self, refiner: dict | None = None, down_scale: int = 2, **kwargs):
        super().__init__(**kwargs)
        self.refiner = MODELS.build(refiner or dict(type='PAR'))
        self.down_scale = down_scale

    @torch.no_grad()
    def scores(self, image: np.ndarray, cam: np.ndarray,
               background: np.ndarray | None = None) -> np.ndarray:
        size = image.shape[:2]
        small = tuple(max(side // self.down_scale, 1) for side in size)
        stack = torch.from_numpy(self.with_background(cam, background))
        stack = resize_maps(stack, small).softmax(0)
        guide = resize_maps(_chw(image).float(), small)
        return resize_maps(self.refiner(guide[None], stack[None])[0], size).numpy()


def check_unary(name: str, unary: str) -> None:
    if unary not in ('scores', 'labels'):
        raise ValueError(f"{name}: unary={unary!r} must be 'scores' or 'labels'")


def crf_scores(owner: Any, image: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """The owner's ``first_crf`` on scores ``(K, H, W)`` or, by its ``unary``, on their argmax."""
    if owner.unary == 'labels':
        return owner.first_crf.from_labels(
            image, scores.argmax(0), len(scores), owner.gt_prob, owner.all_labels)
    return owner.first_crf(image, scores)


@MODELS.register_module()
class CRFMask(MaskRefiner):
    """Dense CRF on background and CAM.

    Args:
        preset: Name in ``CRF_PRESETS`` or config of the CRF.
        unary: ``'scores'``: minus the logarithm of the scores (PSA, AEFT); ``'labels'``: the argmax
            is right with probability ``gt_prob`` (IRN, PPC).
        gt_prob: For ``'labels'``.
        all_labels: Likewise; the labels, the background included, that share the rest of the
            probability: those of the image (None, IRN), or of the data set (PPC).
        bg, alpha, keep: See :class:`MaskRefiner`.
    """

    def __init__(self, preset: str | dict = 'psa', unary: str = 'scores',
                 gt_prob: float = 0.7, all_labels: int | None = None, **kwargs):
        super().__init__(**kwargs)
        check_unary('CRFMask', unary)
        self.first_crf = make_crf(preset)
        self.unary = unary
        self.gt_prob = gt_prob
        self.all_labels = all_labels

    def scores(self, image: np.ndarray, cam: np.ndarray,
               background: np.ndarray | None = None) -> np.ndarray:
        return crf_scores(self, image, self.with_background(cam, background))


class _WalkMask(MaskRefiner, ABC):
    """A refiner whose scores walk randomly on the affinities that a network finds.

    Args:
        model: Config of the network.
        checkpoint: Its weights.
        device: Default: a GPU if there is one.
    """

    def __init__(self, model: dict | None, checkpoint: str | None, beta: float, log_steps: int,
                 radius: int, device: str | None, **kwargs):
        super().__init__(**kwargs)
        if not model or not checkpoint:
            raise ValueError(
                f'{type(self).__name__} needs a trained network: model (its config) and checkpoint '
                '(its weights); in the tool --network and --checkpoint')
        self.checkpoint = checkpoint
        self.model = MODELS.build(model)
        load_pretrained(self.model, checkpoint, ignore=[r'displacement\.'])
        self.device = choose_device(device)
        self.model.to(self.device).eval()
        self.beta = beta
        self.log_steps = log_steps
        self.radius = radius

    def normalized(self, image: np.ndarray) -> Tensor:
        """What the network takes, ``(1, 3, H, W)``."""
        data = dict(inputs={'image': [_chw(image)]}, data_samples={})
        return self.model.data_preprocessor(data)['inputs']['image']

    @abstractmethod
    def prepare(self, image: np.ndarray, stack: Tensor) -> tuple[Tensor, Tensor, int, int]:
        """Scores ``(K, h, w)`` at the map's size, half of the affinities ``(1, P, h, w)``, the
        map's stride and the radius; of scores ``(K, H, W)`` of an image."""

    @torch.no_grad()
    def walks(self, image: np.ndarray, stack: np.ndarray, betas: Sequence[float],
              log_steps: Sequence[int]) -> Iterator[tuple[float, int, np.ndarray]]:
        """Walk with several settings; the network runs once, and each beta walks once.

        Args:
            image: Image uint8 BGR ``(H, W, 3)``.
            stack: Scores ``(K, H, W)``; each map walks on its own.
            betas: Powers of the affinities.
            log_steps: Logarithms to base 2 of the numbers of steps.

        Yields:
            ``beta, log_steps, (K, H, W)``.
        """
        height, width = image.shape[:2]
        small, affinity, stride, radius = self.prepare(
            image, torch.from_numpy(stack).to(self.device))
        logs = sorted(set(log_steps))
        for beta in betas:
            walk = random_walk(small[None], affinity**beta, [2**log for log in logs], radius)
            for log, walked in zip(logs, walk):
                full = [side * stride for side in walked.shape[-2:]]
                yield beta, log, resize_maps(walked[0], full)[:, :height, :width].cpu().numpy()

    def walk(self, image: np.ndarray, stack: np.ndarray) -> np.ndarray:
        """Scores ``(K, H, W)`` after the walk of this refiner's settings."""
        return next(self.walks(image, stack, [self.beta], [self.log_steps]))[2]


@MODELS.register_module()
class PSAMask(_WalkMask):
    """Random walk of PSA on the features of :class:`AffinityNet`.

    Args:
        model: Config of the AffinityNet.
        checkpoint: Its weights.
        beta: Power of the affinities.
        log_steps: 8 in PSA, 6 in SEAM, AEFT, PPC, MCTformer.
        radius: Of the pairs; it shrinks where a map is too small to have any.
        device: Default: a GPU if there is one.
        alpha, bg: PSA alpha 16, SEAM and PPC 6, AEFT 19; MCTformer a constant, bg 0.39.
        crf, keep: See :class:`MaskRefiner`; AEFT ends with ``crf='psa_rw'``.
    """

    def __init__(self, model: dict | None = None, checkpoint: str | None = None, beta: float = 8,
                 log_steps: int = 8, radius: int = 5, device: str | None = None, **kwargs):
        super().__init__(model, checkpoint, beta, log_steps, radius, device, **kwargs)

    @torch.no_grad()
    def features(self, image: np.ndarray) -> Tensor:
        """``(D, h, w)`` of the image, padded to a multiple of 8."""
        inputs = self.normalized(image)
        height, width = inputs.shape[-2:]
        return self.model.extract(F.pad(inputs, (0, -width % 8, 0, -height % 8)))[0].float()

    def prepare(self, image: np.ndarray, stack: Tensor) -> tuple[Tensor, Tensor, int, int]:
        features = self.features(image)
        size = features.shape[-2:]
        radius = fitting_radius(self.radius, size)
        small, stride = pool_scores(stack, size)
        return small, psa_affinity(features[None], radius), stride, radius

    def scores(self, image: np.ndarray, cam: np.ndarray,
               background: np.ndarray | None = None) -> np.ndarray:
        return self.walk(image, self.with_background(cam, background))


@MODELS.register_module()
class IRNMask(_WalkMask):
    """Random walk of IRN along the boundaries of :class:`IRNet`.

    Args:
        model: Config of the IRNet; the displacement branch is not used.
        checkpoint: Its weights.
        beta, log_steps, radius: Of the walk.
        power: Exponent of the scores before the walk (SIPE 1.5).
        device: Default: a GPU if there is one.
        bg: Constant beside the walked scores, which are divided by their maximum over all classes;
            0.25 in IRN. ``'own'`` (SIPE): the network's background walks with the classes.
        crf, keep: See :class:`MaskRefiner`; KTSE's segmentation stage uses ``keep=0.5``.
    """

    def __init__(self, model: dict | None = None, checkpoint: str | None = None, beta: float = 10,
                 log_steps: int = 8, radius: int = 5, power: float = 1., device: str | None = None,
                 **kwargs):
        super().__init__(model, checkpoint, beta, log_steps, radius, device, **kwargs)
        self.power = power
        self.model.displacement = None

    @torch.no_grad()
    def edge(self, image: np.ndarray) -> Tensor:
        """Class boundary ``(h, w)`` in [0, 1]."""
        return self.model.predict_edge(self.normalized(image))[0].float()

    def prepare(self, image: np.ndarray, stack: Tensor) -> tuple[Tensor, Tensor, int, int]:
        edge = self.edge(image)
        stride = map_stride(image.shape[:2], edge.shape)
        source = resize_maps(stack, edge.shape)**self.power * (1 - edge)
        return source, irn_affinity(edge[None], self.radius), stride, self.radius

    def scores(self, image: np.ndarray, cam: np.ndarray,
               background: np.ndarray | None = None) -> np.ndarray:
        own = self.bg == 'own'
        walked = self.walk(image, self.with_background(cam, background) if own else cam)
        walked = walked / max(walked.max(), 1e-12)
        return walked if own else self.with_background(walked)
