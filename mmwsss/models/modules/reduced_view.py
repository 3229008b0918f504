"""The reduced copy of the image that SEAM, PPC and EPS set beside it."""

import torch.nn.functional as F
from torch import Tensor, nn

from mmwsss.models.utils.multi_scale import scaled_size

from ..classifiers.views import Views
from .base import WSSSModule


class ReducedViewModule(WSSSModule):
    """An idea on the image and its reduced copy. Ideas that ask for the same copy share it.

    Args:
        scale: Factor of the copy's size (view ``x0.3``); or
        size: its side (view ``s128``).
        weight, begin, ramp, by_epoch, name: See :class:`WSSSModule`.

    Raises:
        ValueError: Both are given; or neither, where :attr:`needs_copy`.
    """

    needs_copy = True
    """False: with neither scale nor size it acts on the image alone."""

    def __init__(self, scale: float | None = None, size: int | None = None, **kwargs):
        super().__init__(**kwargs)
        given = [value for value in (scale, size) if value is not None]
        if len(given) > 1 or self.needs_copy and not given:
            raise ValueError(f'{type(self).__name__}: give either scale or size, '
                             f'not scale={scale} and size={size}')
        self.scale = scale
        self.size = size

    def need_revised(self, model: nn.Module, option: str = '') -> None:
        """:meth:`need` a CAM that the head revises by pixel correlation."""
        self.need(hasattr(model.head, 'pcm'), model, f'the revised CAM{option}',
                  "set head=dict(type='SEAMHead', ...)")

    def names(self, views: Views) -> list[str]:
        """The image and, unless it is alone, its copy, which is made known if it is not yet."""
        if self.scale is None and self.size is None:
            return ['image']
        name = f'x{self.scale:g}' if self.size is None else f's{self.size}'

        def resize() -> Tensor:
            image = views.image('image')
            size = (scaled_size(image.shape[-2:], self.scale) if self.size is None else
                    (self.size, self.size))
            return F.interpolate(image, size, mode='bilinear', align_corners=True)

        views.add(name, resize, align_corners=True)
        return ['image', name]

    def add_views(self, views: Views) -> None:
        views.expect(*self.names(views))
