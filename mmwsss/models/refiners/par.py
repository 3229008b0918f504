"""Pixel-adaptive refinement: scores diffuse to neighbours that look alike.

PAR (Ru et al., AFA, CVPR 2022) and its ancestor PAMR (Araslanov & Roth, CVPR 2020).
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mmwsss.registry import MODELS

RING = ((-1, -1), (-1, 0), (-1, 1), (0, -1), (0, 1), (1, -1), (1, 0), (1, 1))


class _LocalRefiner(nn.Module, ABC):
    """Repeated weighted means over the 8-neighbourhoods at several dilations.

    Neighbours are views of one padded map and are summed one after the other, so that nothing of
    ``P = 8 * len(dilations)`` times the scores is ever held.
    """

    def __init__(self, dilations: Sequence[int] = (1, 2, 4, 8, 12, 24), num_iters: int = 10):
        super().__init__()
        if not dilations or min(dilations) < 1 or num_iters < 0:
            raise ValueError(f'{type(self).__name__}: dilations={dilations} must be at least 1 and '
                             f'num_iters={num_iters} at least 0')
        self.dilations = tuple(dilations)
        self.num_iters = num_iters

    def neighbours(self, x: Tensor) -> Iterator[Tensor]:
        """The ``P`` neighbours of every pixel of ``(N, C, H, W)``, borders replicated."""
        height, width = x.shape[-2:]
        pad = max(self.dilations)
        x = F.pad(x, [pad] * 4, mode='replicate')
        for dilation in self.dilations:
            for dy, dx in RING:
                top, left = pad + dy * dilation, pad + dx * dilation
                yield x[..., top:top + height, left:left + width]

    @abstractmethod
    def affinity(self, img: Tensor) -> Tensor:
        """Weights of the neighbours, ``(N, P, H, W)``."""

    def forward(self, img: Tensor, scores: Tensor) -> Tensor:
        """
        Args:
            img: Images ``(N, 3, H, W)`` on any scale (0..1, 0..255 or normalised).
            scores: ``(N, K, h, w)``, resized bilinearly (``align_corners=True``) to the images.

        Returns:
            Refined scores ``(N, K, H, W)``. Each channel is refined on its own and linearly.
        """
        scores = F.interpolate(
            scores.float(), img.shape[-2:], mode='bilinear', align_corners=True)
        weights = self.affinity(img.float()).unsqueeze(2).unbind(1)
        for _ in range(self.num_iters):
            refined = torch.zeros_like(scores)
            for weight, neighbour in zip(weights, self.neighbours(scores)):
                refined.addcmul_(weight, neighbour)
            scores = refined
        return scores

    def extra_repr(self) -> str:
        return f'dilations={self.dilations}, num_iters={self.num_iters}'


@MODELS.register_module()
class PAR(_LocalRefiner):
    """Pixel-adaptive refinement as in AFA, ToCo and KTSE.

    ``a = softmax_n(-mean_rgb (|I_n - I| / sigma / .3)^2) + .01 softmax_n(-(d_n / sigma_d / .3)^2)``
    with sigma the unbiased deviation over the 48 neighbours; ``num_iters`` times
    ``m <- sum_n a_n m_n``. The weights sum to 1.01 (as in the original, never renormalised): ten
    iterations raise all scores by 1.1046, which no argmax notices.

    Args:
        dilations: Radii of the 8-neighbourhoods.
        num_iters: Iterations.
        color_weight: 0.3 in the formula; smaller is stricter about colour.
        position_weight: 0.01 in the formula.
    """

    def __init__(self,
                 dilations: Sequence[int] = (1, 2, 4, 8, 12, 24),
                 num_iters: int = 10,
                 color_weight: float = 0.3,
                 position_weight: float = 0.01):
        super().__init__(dilations, num_iters)
        self.color_weight = color_weight
        self.position_weight = position_weight
        distance = torch.tensor([
            dilation * (dy * dy + dx * dx)**0.5 for dilation in self.dilations for dy, dx in RING])
        position = -(distance / (distance.std() + 1e-8) / color_weight)**2
        self.register_buffer(
            'position', position_weight * position.softmax(0).view(1, -1, 1, 1), persistent=False)

    def affinity(self, img: Tensor) -> Tensor:
        count = 8 * len(self.dilations)
        mean = sum(x - img for x in self.neighbours(img)) / count
        variance = sum((x - img - mean)**2 for x in self.neighbours(img)) / (count - 1)
        scale = (variance.sqrt() + 1e-8) * self.color_weight
        color = torch.stack(
            [-((x - img) / scale).square().mean(1) for x in self.neighbours(img)], dim=1)
        return color.softmax(1) + self.position


@MODELS.register_module()
class PAMR(_LocalRefiner):
    """Pixel-adaptive mask refinement of 1-stage-wseg, the ancestor of PAR.

    ``a = softmax_n(-mean_rgb |I_n - I| / (1e-8 + 0.1 sigma))`` with sigma the unbiased deviation
    over the 3x3 neighbourhoods, centre included, at all dilations; ``m <- sum_n a_n m_n``.
    """

    def affinity(self, img: Tensor) -> Tensor:
        rings = len(self.dilations)
        count = 9 * rings  # the centre counts once per dilation; its difference is 0
        mean = sum(x - img for x in self.neighbours(img)) / count
        variance = sum((x - img - mean)**2 for x in self.neighbours(img)) + rings * mean**2
        scale = 1e-8 + 0.1 * (variance / (count - 1)).sqrt()
        color = torch.stack(
            [-((x - img).abs() / scale).mean(1) for x in self.neighbours(img)], dim=1)
        return color.softmax(1)
