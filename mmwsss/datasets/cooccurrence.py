"""Which classes come together, and how CSD draws a partner by it (BMVC 2023, Eq. 1)."""

import numpy as np
import torch
from torch import Tensor


def cooccurrence_matrix(labels: Tensor, variant: str = 'paper') -> Tensor:
    """Count the images in which two classes come together.

    Args:
        labels: Multi-hot ``(N, C)``.
        variant: ``paper``: ``N_ij`` images have both i and j, ``N_ii`` have i. ``paper-alone``:
            ``N_ii`` have i alone, as the paper remarks beside eq. 1. ``prototype`` (the first
            author's code): as ``paper-alone``, all counts from 1.

    Returns:
        ``N`` float ``(C, C)``, symmetric.
    """
    _check(variant)
    labels = (labels > 0).float()
    counts = labels.T @ labels
    if variant == 'paper':
        return counts
    alone = labels[labels.sum(1) == 1].sum(0)
    counts = counts - torch.diag(counts.diag()) + torch.diag(alone)
    return counts + 1 if variant == 'prototype' else counts


def _check(variant: str) -> None:
    if variant not in ('paper', 'paper-alone', 'prototype'):
        raise ValueError(f"variant={variant!r} must be 'paper', 'paper-alone' or 'prototype'")


def pairing_distribution(matrix: Tensor, labels: Tensor, variant: str = 'paper') -> Tensor:
    """Probability of each class as the source for a target image.

    ``P_ij = N_ij / sum_k N_ik`` (``prototype``: ``softmax_j(0.1 N_ij)``), summed over the classes
    of the target and normalised.

    Args:
        matrix: ``N`` of :func:`cooccurrence_matrix`, ``(C, C)``.
        labels: Multi-hot label of the target, ``(C,)`` or ``(N, C)``.

    Returns:
        Probabilities of the shape of ``labels``; zeros where no class has a count.
    """
    matrix = matrix.float()
    _check(variant)
    if variant == 'prototype':
        rows = torch.softmax(0.1 * matrix, 1)
    else:
        rows = matrix / matrix.sum(1, keepdim=True).clamp(min=1e-12)
    scores = labels.float() @ rows
    return scores / scores.sum(-1, keepdim=True).clamp(min=1e-12)


def frequent_pairs(labels: np.ndarray, count: int) -> list[tuple[int, int]]:
    """Ordered pairs of mask ids (from 1) that share the most images.

    Args:
        labels: Multi-hot ``(N, C)``.
        count: At most so many pairs.
    """
    matrix = cooccurrence_matrix(torch.from_numpy(labels)).fill_diagonal_(0).numpy()
    order = np.argsort(-matrix, axis=None, kind='stable')[:count]
    pairs = (divmod(int(i), len(matrix)) for i in order)
    return [(i + 1, j + 1) for i, j in pairs if matrix[i, j] > 0]
