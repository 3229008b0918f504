"""From one image's CAM to its mask by a random walk on the affinities that a network finds."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from mmwsss.registry import MODELS
from mmwsss.utils.checkpoint import load_pretrained
from mmwsss.utils.setup_env import choose_device

from ..utils.cam import resize_maps
from .mask_refiners import MaskRefiner, chw, with_background
from .random_walk import (
    fitting_radius,
    irn_affinity,
    map_stride,
    pool_scores,
    psa_affinity,
    random_walk,
)


class _WalkMask(MaskRefiner, ABC):
    """A refiner whose scores walk randomly on the affinities that a network finds.

    Args:
        model: Config of the network.
        checkpoint: Its weights.
        radius: Of the pairs, at least 2: no other pixel is nearer than 1.
        device: Default: a GPU if there is one.

    Raises:
        ValueError: No network or no weights, or a smaller radius.
    """

    def __init__(self, model: dict | None, checkpoint: str | None, beta: float, log_steps: int,
                 radius: int, device: str | None, **kwargs):
        super().__init__(**kwargs)
        name = type(self).__name__
        if not (isinstance(radius, int) and radius >= 2):
            raise ValueError(f'{name}: radius={radius!r} must be an integer of at least 2; within '
                             'a smaller one there is no pair')
        if not model or not checkpoint:
            raise ValueError(
                f'{name} needs a trained network: model (its config) and checkpoint '
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
        data = dict(inputs={'image': [chw(image)]}, data_samples={})
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

    def scores_at(self, image: np.ndarray, cam: np.ndarray,
                  thresholds: Sequence[float]) -> Iterator[np.ndarray]:
        # The walk is linear, and each map walks on its own: the threshold times the walked 1.
        walked = self.walk(image, with_background(cam, 1.))
        for threshold in thresholds:
            yield with_background(walked[1:], np.float32(threshold) * walked[0])


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

    def walks(self, image: np.ndarray, stack: np.ndarray, betas: Sequence[float],
              log_steps: Sequence[int]) -> Iterator[tuple[float, int, np.ndarray]]:
        """As of any walk; the scores are divided by their maximum."""
        for beta, log, walked in super().walks(image, stack, betas, log_steps):
            yield beta, log, walked / max(walked.max(), 1e-12)

    def scores(self, image: np.ndarray, cam: np.ndarray,
               background: np.ndarray | None = None) -> np.ndarray:
        if self.bg == 'own':
            return self.walk(image, self.with_background(cam, background))
        return self.with_background(self.walk(image, cam))

    def scores_at(self, image: np.ndarray, cam: np.ndarray,
                  thresholds: Sequence[float]) -> Iterator[np.ndarray]:
        walked = self.walk(image, cam)
        for threshold in thresholds:
            yield with_background(walked, threshold)
