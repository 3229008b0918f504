"""An idea of one's own, outside the package: spread the CAM of a present class over the object.

A CAM that fires on one small part has a low entropy as a distribution over the pixels. The module
asks for a higher one, up to a share of what an even map would have.
"""

import math

import torch
from torch import Tensor
from torch.nn import functional as F

from mmwsss.models.classifiers.views import Views
from mmwsss.models.modules.base import WSSSModule
from mmwsss.registry import MODELS


def entropy_loss(cam: Tensor, labels: Tensor, target: float = 0.8) -> Tensor:
    """``mean over present classes of relu(target - H(p) / log(h w))`` with ``p`` the ReLU of the
    CAM divided by its sum.

    Args:
        cam: Raw CAM ``(N, C, h, w)``.
        labels: Multi-hot ``(N, C)``.
        target: Share of the entropy of an even map, in [0, 1].

    Returns:
        A scalar in [0, target]; 0 without any present class.
    """
    evidence = F.relu(cam).flatten(2) + 1e-6
    p = evidence / evidence.sum(-1, keepdim=True)
    entropy = -(p * p.log()).sum(-1) / math.log(p.shape[-1])
    loss = F.relu(target - entropy) * labels
    return loss.sum() / labels.sum().clamp(min=1)


@MODELS.register_module()
class EntropySpread(WSSSModule):
    """See the module's text. All options of :class:`WSSSModule` (weight, begin, ramp ...) hold.

    Args:
        target: See :func:`entropy_loss`.
        view: Of which view the CAM is spread; any but ``image`` must come from the data.

    Raises:
        ValueError: ``target`` is not in [0, 1].
    """

    prefix = 'entropy'

    def __init__(self, target: float = 0.8, view: str = 'image', **kwargs):
        super().__init__(**kwargs)
        if not 0 <= target <= 1:
            raise ValueError(f'EntropySpread: target={target} must be in [0, 1]')
        self.target = target
        self.view = view
        self.views = () if view == 'image' else (view, )  # checked before training

    def add_views(self, views: Views) -> None:
        views.expect(self.view)

    def loss(self, views: Views) -> dict[str, torch.Tensor]:
        # The forward pass of `image` is shared with the classification loss and all other modules.
        return dict(loss_spread=entropy_loss(
            views[self.view].cam, views.labels(self.view), self.target))
