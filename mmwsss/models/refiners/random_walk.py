"""Random walks on pixel affinities, exact and sparse (PSA, CVPR 2018; IRN, CVPR 2019).

The originals build the dense ``n x n`` transition matrix ``T`` and square it ``log_steps`` times. A
pixel has at most 68 neighbours, so here the scores take the ``2^log_steps`` steps themselves: ``T``
is 69 diagonals, and a step is 69 multiply-adds of shifted vectors, in O(69 n) memory. All terms are
positive, so each score agrees with the dense product to rounding; double precision keeps the row
sums from drifting over hundreds of steps.
"""

import math
from collections.abc import Iterator, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from .pairs import feature_affinity, inside, pad_pairs, pair_offsets, path_affinity


def psa_affinity(features: Tensor, radius: int = 5) -> Tensor:
    """Affinities of PSA for :func:`random_walk`, borders as in the original.

    Args:
        features: ``(N, D, h, w)``.

    Returns:
        ``(N, P, h, w)``, 0 where the original has no pair: a pair starts only in the rows
        ``[:-(radius-1)]`` and columns ``[radius-1:-(radius-1)]``.
    """
    height, width = features.shape[-2:]
    if height < radius or width < 2 * radius - 1:
        return features.new_zeros(len(features), len(pair_offsets(radius)), height, width)
    return pad_pairs(feature_affinity(features, radius), radius)


def irn_affinity(edge: Tensor, radius: int = 5) -> Tensor:
    """Affinities of IRN for :func:`random_walk`; every pair inside the map counts.

    Args:
        edge: ``(N, h, w)`` in [0, 1].

    Returns:
        ``(N, P, h, w)``, 0 where a pair would leave the map.
    """
    reach = radius - 1
    padded = F.pad(edge, (reach, reach, 0, reach), value=1.)
    return path_affinity(padded, radius) * inside(*edge.shape[-2:], radius, edge.device)


def _transition(affinity: Tensor, radius: int) -> tuple[Tensor, list[int]]:
    """The diagonals of the column-normalised symmetric matrix with unit diagonal.

    Returns:
        ``(2P + 1, N, 1, n)`` and their offsets in the flattened map. A diagonal holds at place j
        the weight of pixel ``j + offset`` in the new score of j; it is 0 where that is no
        neighbour, so that lines of the flattened map do not mix.
    """
    count, width = affinity.shape[0], affinity.shape[-1]
    steps = [dy * width + dx for dy, dx in pair_offsets(radius)]
    n = affinity.shape[-2] * width
    forward = affinity.flatten(2).transpose(0, 1)
    weights = affinity.new_zeros(2 * len(steps) + 1, count, n)
    weights[0] = 1
    for i, step in enumerate(steps):
        weights[2 * i + 1] = forward[i]
        # The pair i -> j seen from j. A step may be 0 or less, or leave a very narrow map.
        if 0 < step < n:
            weights[2 * i + 2, :, step:] = forward[i, :, :n - step]
        elif -n < step < 0:
            weights[2 * i + 2, :, :step] = forward[i, :, -step:]
        elif step == 0:
            weights[2 * i + 2] = forward[i]
    weights /= weights.sum(0)
    return weights[:, :, None], [0] + [sign * step for step in steps for sign in (1, -1)]


@torch.no_grad()
def random_walk(scores: Tensor,
                affinity: Tensor,
                steps: Sequence[int] = (256, ),
                radius: int = 5) -> Iterator[Tensor]:
    """Walk on the symmetric affinities with unit diagonal.

    Args:
        scores: ``(N, K, h, w)``.
        affinity: One half of the pairs, ``(N, P, h, w)``, already raised to the power beta, from
            :func:`psa_affinity` or :func:`irn_affinity`.
        steps: Rising numbers of steps after which to yield the scores; the walk continues from each
            to the next.
        radius: Of the pairs.

    Yields:
        ``(N, K, h, w)``: ``scores @ T^step``.

    Raises:
        ValueError: ``steps`` do not rise, or the maps differ in size.
    """
    if scores.shape[-2:] != affinity.shape[-2:] or len(scores) != len(affinity):
        raise ValueError(f'random_walk: scores of shape {tuple(scores.shape)} and affinities of '
                         f'shape {tuple(affinity.shape)} must agree in batch and map size')
    if list(steps) != sorted(set(steps)) or min(steps) < 0:
        raise ValueError(f'random_walk: steps={steps} must rise')
    weights, offsets = _transition(affinity.double(), radius)
    weights = weights.unbind(0)
    margin = max(abs(offset) for offset in offsets)
    n = scores.shape[-2] * scores.shape[-1]
    # Two buffers with a zero margin, and a view of each for every diagonal.
    buffers = F.pad(scores.double().flatten(2), (margin, margin)).repeat(2, 1, 1, 1)
    views = [[buffer[..., margin + offset:margin + offset + n] for offset in offsets]
             for buffer in buffers]
    done = 0
    for goal in steps:
        for _ in range(done, goal):
            source, target = views
            torch.mul(source[0], weights[0], out=target[0])
            for view, weight in zip(source[1:], weights[1:]):
                target[0].addcmul_(view, weight)
            views.reverse()
        done = goal
        yield views[0][0].reshape(scores.shape).to(scores.dtype, copy=True)


def map_stride(image: Sequence[int], size: Sequence[int]) -> int:
    """Stride, a power of two, of a network that gives a map of ``size`` for an image."""
    return 2**max(math.ceil(math.log2(side / cells)) for side, cells in zip(image, size))


def pool_scores(scores: Tensor, size: Sequence[int]) -> tuple[Tensor, int]:
    """Average scores ``(K, H, W)``, padded with zeros, over the cells of a map of ``size``.

    Returns:
        ``(K, h, w)`` and the stride.
    """
    stride = map_stride(scores.shape[-2:], size)
    bottom, right = (side * stride - now for side, now in zip(size, scores.shape[-2:]))
    return F.avg_pool2d(F.pad(scores, (0, right, 0, bottom))[None], stride)[0], stride


def fitting_radius(radius: int, size: Sequence[int]) -> int:
    """The radius, or the largest that leaves PSA a pair in a smaller map."""
    return min(radius, size[0], (size[1] + 1) // 2)


def propagate_psa(scores: Tensor,
                  features: Tensor,
                  radius: int = 5,
                  beta: float = 8,
                  log_steps: int = 8) -> Tensor:
    """PSA's random walk: ``scores @ T^(2^log_steps)``, ``T`` the column-normalised
    ``exp(-mean |f_i - f_j|)^beta`` with unit diagonal.

    Args:
        scores: Background and the image's classes ``(K, h, w)``, or a batch ``(N, K, h, w)``.
        features: ``(D, h, w)`` or ``(N, D, h, w)``, e.g. of :class:`AffinityNet`.
        radius: Neighbours are nearer than this.
        beta: Power of the affinities.
        log_steps: 8 in PSA, 6 in SEAM and its successors.

    Returns:
        As ``scores``. Each channel walks on its own, so classes that are not in the image can be
        left out. A map smaller than ``radius x (2 radius - 1)`` has no pairs and stays as it is.
    """
    batched, features = _batch(scores), _batch(features)
    affinity = psa_affinity(features.float(), radius)**beta
    return next(random_walk(batched, affinity, (2**log_steps, ), radius)).view_as(scores)


def propagate_irn(scores: Tensor,
                  edge: Tensor,
                  radius: int = 5,
                  beta: float = 10,
                  log_steps: int = 8) -> Tensor:
    """IRN's random walk: ``(scores * (1 - edge)) @ T^(2^log_steps)``, ``T`` the column-normalised
    ``(1 - max edge on the path)^beta`` with unit diagonal.

    Args:
        scores: The image's classes ``(K, h, w)``, or a batch ``(N, K, h, w)``.
        edge: Class boundary ``(h, w)`` or ``(N, h, w)`` in [0, 1], 1 on a boundary.
        radius: Neighbours are nearer than this.
        beta: Power of the affinities.
        log_steps: The walk takes ``2^log_steps`` steps.

    Returns:
        As ``scores``.
    """
    batched = _batch(scores)
    edge = edge.float().view(len(batched), *edge.shape[-2:])
    affinity = irn_affinity(edge, radius)**beta
    source = batched * (1 - edge[:, None])
    return next(random_walk(source, affinity, (2**log_steps, ), radius)).view_as(scores)


def _batch(x: Tensor) -> Tensor:
    return x[None] if x.dim() == 3 else x
