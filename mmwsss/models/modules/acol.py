"""Rigid classification of the erased image, the row that KTSE compares with as ACoL
(Zhang et al., CVPR 2018: complementary regions by adversarial erasing)."""


import torch.nn.functional as F
from torch import Tensor

from mmwsss.registry import MODELS

from ..classifiers.views import Views
from .base import WSSSModule
from .erased_view import add_erased_view


@MODELS.register_module()
class ErasedClassification(WSSSModule):
    """The erased image must still be classified as all its classes (KTSE table 7, "rigid").

    ACoL erases features and gives the remaining ones to a second classifier; KTSE's comparison,
    which is what this is, erases the image and keeps one classifier.

    Args:
        threshold: Foreground response from which on a pixel is erased.
        weight, begin, ramp, by_epoch, name: See :class:`WSSSModule`.
    """

    prefix = 'acol'

    def __init__(self, threshold: float = 0.6, **kwargs):
        super().__init__(**kwargs)
        self.threshold = threshold

    def add_views(self, views: Views) -> None:
        add_erased_view(views, self.threshold)

    def loss(self, views: Views) -> dict[str, Tensor]:
        return dict(
            loss_cls=F.binary_cross_entropy_with_logits(views['erased'].logits,
                                                        views.labels('image')))
