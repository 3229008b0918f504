"""Reductions shared by the losses."""

import torch
from mmengine import dist
from torch import Tensor


def rank_mean(value: Tensor) -> Tensor:
    """Mean of a count over all ranks, without gradient; the count itself on a single process."""
    value = value.detach().clone().float()
    if dist.get_world_size() > 1:
        dist.all_reduce(value, op='mean')
    return value


def masked_mean(values: Tensor, mask: Tensor) -> Tensor:
    """Mean of ``values`` where ``mask`` is 1; 0, with zero gradient, where the mask is empty.

    The count is averaged over all ranks, so that the mean over ranks of the results is the mean
    over the whole batch: two processes give the loss of one with the doubled batch.

    Args:
        values: Any shape.
        mask: Boolean or float weights, broadcastable to ``values``.

    Returns:
        A scalar, of single precision at least: half precision cannot count pixels.
    """
    weighted = mask.dtype != torch.bool
    dtype = torch.promote_types(values.dtype, torch.float32)
    mask = mask.expand_as(values)
    count = rank_mean(mask.sum(dtype=dtype if weighted else None))
    # `where` and not a product: a value that the mask leaves out may be infinite.
    kept = torch.where(mask > 0 if weighted else mask, values, 0.)
    if weighted:
        kept = kept * mask
    return kept.sum(dtype=dtype) / count.clamp(min=1e-6)
