"""Pairs of neighbouring pixels, the common ground of PSA and IRN.

Only half of the plane is listed (a pair counts once). As in the originals, a pair starts at a pixel
that has its whole half disc inside the map: rows ``[:-(r-1)]``, columns ``[r-1:-(r-1)]``. Tensors
over pairs have shape ``(N, P, h', w')``: ``P`` offsets, ``(h', w') = (h - r + 1, w - 2 r + 2)``
starting pixels.
"""

from functools import cache, lru_cache

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils.checkpoint import checkpoint


@cache
def pair_offsets(radius: int = 5) -> tuple[tuple[int, int], ...]:
    """Offsets ``(dy, dx)`` of the half disc ``dy^2 + dx^2 < radius^2``: 34 for 5, 152 for 10."""
    if radius < 1:
        raise ValueError(f'radius={radius} must be at least 1')
    reach = range(-radius + 1, radius)
    return tuple((dy, dx) for dy in range(radius) for dx in reach
                 if dy * dy + dx * dx < radius * radius and (dy > 0 or dx > 0))


@cache
def path_points(dy: int, dx: int) -> tuple[tuple[int, int], ...]:
    """Grid points between ``(0, 0)`` and ``(dy, dx)``, both included, nearer than 1 to the line."""
    rows = range(min(dy, 0), max(dy, 0) + 1)
    columns = range(min(dx, 0), max(dx, 0) + 1)
    return tuple((y, x) for y in rows for x in columns
                 if (dy * x - dx * y)**2 < dy * dy + dx * dx)


def shifted(x: Tensor, radius: int, dy: int = 0, dx: int = 0) -> Tensor:
    """The starting pixels of all pairs of ``(..., h, w)``, moved by an offset: ``(..., h', w')``.

    A view; empty if the map is too small for the radius.
    """
    reach = radius - 1
    height = max(x.shape[-2] - reach, 0)
    width = max(x.shape[-1] - 2 * reach, 0)
    return x[..., dy:dy + height, reach + dx:reach + dx + width]


def pair_labels(labels: Tensor, radius: int = 5) -> tuple[Tensor, Tensor, Tensor]:
    """Which pairs are both background, both of one class, or of different classes.

    Args:
        labels: ``(N, h, w)``: 0 background, ``1..C``, 255 not confident.
        radius: Of the half disc.

    Returns:
        Boolean ``bg_positive, fg_positive, negative``, each ``(N, P, h', w')``; a pair with a 255
        is in none.
    """
    start = shifted(labels, radius)[:, None]
    end = torch.stack([shifted(labels, radius, *offset) for offset in pair_offsets(radius)], dim=1)
    sure = (start != 255) & (end != 255)
    same = start == end
    return sure & same & (start == 0), sure & same & (start > 0), sure & ~same


def _distance(start: Tensor, end: Tensor) -> Tensor:
    return (end - start).abs().mean(dim=1)


def feature_affinity(features: Tensor, radius: int = 5) -> Tensor:
    """PSA: ``a_ij = exp(-mean_c |f_i - f_j|)``.

    Differences are recomputed in the backward pass, so that memory does not grow with ``P * C``.

    Args:
        features: ``(N, C, h, w)``.

    Returns:
        ``(N, P, h', w')`` in (0, 1].
    """
    offsets = pair_offsets(radius)
    if features.requires_grad and torch.is_grad_enabled():
        start = shifted(features, radius)
        distance = torch.stack([
            checkpoint(_distance, start, shifted(features, radius, *offset), use_reentrant=False)
            for offset in offsets], dim=1)
        return torch.exp(-distance)
    # A few channels at a time stay in the cache, and one buffer serves all offsets.
    distance = torch.zeros_like(shifted(features[:, :1], radius).expand(-1, len(offsets), -1, -1),
                                memory_format=torch.contiguous_format)
    for part in features.split(32, dim=1):
        start = shifted(part, radius).contiguous()
        buffer = torch.empty_like(start)
        for i, offset in enumerate(offsets):
            torch.sub(shifted(part, radius, *offset), start, out=buffer)
            distance[:, i] += buffer.abs_().sum(1)
    return distance.div_(-features.shape[1]).exp_()


@lru_cache(maxsize=16)
def path_steps(radius: int, width: int, device: torch.device) -> list[Tensor]:
    """What the points of each pair's path add to the place of its start in a flattened map; kept,
    since each copy to a GPU would wait for it."""
    return [torch.tensor([dy * width + dx for dy, dx in path_points(*offset)], device=device)
            for offset in pair_offsets(radius)]


def path_affinity(edge: Tensor, radius: int = 5) -> Tensor:
    """IRN: ``a_ij = 1 - max_k edge_k`` over the points on the path from i to j, ends included.

    Args:
        edge: Class boundary probability ``(N, h, w)`` in [0, 1].

    Returns:
        ``(N, P, h', w')`` in [0, 1]. The gradient goes to the strongest point of each path.
    """
    needs_grad = edge.requires_grad and torch.is_grad_enabled()
    width = edge.shape[-1]
    base = shifted(torch.arange(edge[0].numel(), device=edge.device).view_as(edge[0]), radius)
    flat = edge.flatten(1)
    affinities = []
    steps = path_steps(radius, width, edge.device)
    for offset, jumps in zip(pair_offsets(radius), steps):
        points = path_points(*offset)
        with torch.no_grad():
            path = [shifted(edge, radius, *point) for point in points]
            if needs_grad:
                # Only the position of the maximum is kept for the backward pass.
                best = torch.stack(path).max(0).indices  # six times as fast as argmax on a CPU
                index = (base + jumps[best]).flatten(1)
            else:
                strongest = path[0].clone()
                for point in path[1:]:
                    torch.maximum(strongest, point, out=strongest)
        if needs_grad:
            strongest = flat.gather(1, index).view(best.shape)
        affinities.append(1 - strongest)
    return torch.stack(affinities, dim=1)


def inside(height: int, width: int, radius: int, device=None) -> Tensor:
    """Whether each pair that starts anywhere in the map also ends in it, ``(P, height, width)``."""
    rows = torch.arange(height, device=device)[:, None]
    columns = torch.arange(width, device=device)
    return torch.stack([
        (rows + dy < height) & (columns + dx >= 0) & (columns + dx < width)
        for dy, dx in pair_offsets(radius)])


def pad_pairs(affinity: Tensor, radius: int) -> Tensor:
    """``(N, P, h', w')`` to ``(N, P, h, w)``, 0 where no pair starts."""
    reach = radius - 1
    return F.pad(affinity, (reach, reach, 0, reach))
