"""Losses of segmentation that mmseg lacks."""

import torch.nn.functional as F
from mmseg.registry import MODELS as MMSEG_MODELS
from torch import Tensor, nn

from mmwsss.registry import MODELS

from ..utils.reductions import masked_mean


def balanced_cross_entropy(logits: Tensor, labels: Tensor, ignore_index: int = 255) -> Tensor:
    """Cross-entropy that weighs background and objects alike (DSRG's seeding loss).

    Args:
        logits: ``(N, C, H, W)``, background first.
        labels: Class ids ``(N, H, W)``; ``ignore_index`` does not count.

    Returns:
        Mean over the batch's background pixels plus mean over its foreground pixels, of all ranks
        (:func:`masked_mean`); the mean of no pixel is 0.
    """
    loss = F.cross_entropy(logits, labels, ignore_index=ignore_index, reduction='none')
    background, foreground = labels == 0, (labels != 0) & (labels != ignore_index)
    return masked_mean(loss, background) + masked_mean(loss, foreground)


@MMSEG_MODELS.register_module()
@MODELS.register_module()
class BalancedCrossEntropyLoss(nn.Module):
    """:func:`balanced_cross_entropy` as ``loss_decode`` of any head::

        decode_head=dict(loss_decode=dict(_delete_=True, type='BalancedCrossEntropyLoss'))

    Args:
        loss_weight: Factor.
        loss_name: Its name in the log; it must begin with ``loss_``.
    """

    def __init__(self, loss_weight: float = 1., loss_name: str = 'loss_balanced_ce') -> None:
        super().__init__()
        self.loss_weight = loss_weight
        self.loss_name = loss_name

    def forward(self, logits: Tensor, labels: Tensor, weight: Tensor | None = None,
                ignore_index: int = 255) -> Tensor:
        """Logits ``(N, C, H, W)`` and class ids ``(N, H, W)`` to the weighted loss.

        Raises:
            ValueError: The head has a ``sampler``, which weighs pixels by itself.
        """
        if weight is not None:
            raise ValueError('BalancedCrossEntropyLoss weighs pixels by itself; remove '
                             'decode_head.sampler')
        return self.loss_weight * balanced_cross_entropy(logits, labels, ignore_index)
