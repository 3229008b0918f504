"""A background score that is learned before the second phase begins."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mmwsss.models.classifiers import Views
from mmwsss.models.modules import SelfSupervisedRegularization
from mmwsss.registry import MODELS


@MODELS.register_module()
class BackgroundScore(SelfSupervisedRegularization):
    """Trains the head's background score by KTSE's cross entropy (eq. 5), and nothing else: the
    class scores and the embedding below have no gradient, so the classifier is what it would be
    without this module.

    Args:
        kwargs: See :class:`SelfSupervisedRegularization`. Of its losses only eq. 5 remains, without
            the ReLU, through which a negative score has no gradient.

    Raises:
        ValueError: The head has no background score, or no embedding.
    """

    prefix = 'background'

    def __init__(self, **kwargs):
        super().__init__(inter_weight=0, relu_logits=False, **kwargs)

    def check(self, model: nn.Module) -> None:
        super().check(model)
        self.need(getattr(model.head, 'embed', None) is not None, model, 'an embedding',
                  'set embed_channels')
        self._classifier = [model.head.classifier]  # in a list: it stays the head's

    def scores(self, views: Views, name: str) -> Tensor:
        output, classifier = views[name], self._classifier[0]
        bias = None if classifier.bias is None else classifier.bias[:1]
        bg = F.conv2d(output.extra['embedding'].detach(), classifier.weight[:1], bias)
        return torch.cat([bg, output.cam.detach()], dim=1)
