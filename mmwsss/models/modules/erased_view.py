"""The image without its most discriminative part, for KTSE's MGA and ACoL."""

import torch
from torch import Tensor

from ..classifiers.views import Views
from ..utils.erasing import foreground_response


def image_response(views: Views) -> Tensor:
    """Foreground response of ``image`` at its size ``(N, 1, H, W)``, without gradient."""
    with torch.no_grad():
        return views.shared('image_response', lambda: foreground_response(
            views['image'].cam, views.cpu_labels(), views.image('image').shape[-2:]))


def add_erased_view(views: Views, threshold: float, name: str = 'erased') -> None:
    """Add the image whose most discriminative part is set to 0, the mean colour (eq. 1).

    The mask is binary and gives no gradient.
    """
    views.add(name, lambda: views.image('image') * (image_response(views) < threshold),
              after=('image', ), threshold=threshold)
    views.expect('image', name)
