"""CSD: Cross-domain Semantic Decoupling (Yang et al., BMVC 2023).

Classes that always come together get mixed up in the CAM. Images of a single class (source) tell
them apart: their foreground is pasted into an image of several classes, and so is their
background, and the CAM of what was pasted must stay what it was in the source image.

The paper gives the two losses without softmax temperature or normalisation; an unfinished prototype
by its first author has more details. ``variant='paper'`` reads the equations literally and is the
default; ``'prototype'`` adds those details. Both see the CAM as seeds do, cut at zero (MCTformer's
has nothing below): left raw, the negative scores of a convolutional head rule the softmax.
"""

import math
from typing import Optional

import torch
import torch.nn.functional as F
from torch import Tensor

from mmwsss.datasets.cooccurrence import cooccurrence_matrix, pairing_distribution
from mmwsss.registry import MODELS

from ..classifiers.views import Views
from ..utils.cam import normalize_cam
from .base import WSSSModule

__all__ = [
    'CrossDomainDecoupling', 'background_consistency_loss', 'cells_inside', 'confident_cells',
    'cooccurrence_matrix', 'foreground_consistency_loss', 'pairing_distribution', 'purity_weights'
]


# -- equations -------------------------------------------------------------------------------------
def cells_inside(mask: Tensor, size: tuple) -> Tensor:
    """Cells of a coarser grid that lie wholly inside a mask.

    Args:
        mask: ``(N, H, W)``, boolean or 0 and 1.
        size: ``(h, w)`` of the grid.

    Returns:
        Float ``(N, h, w)`` of 0 and 1.
    """
    share = F.adaptive_avg_pool2d(mask[:, None].float(), tuple(size))[:, 0]
    return (share >= 1 - 1e-6).float()


def foreground_consistency_loss(source: Tensor,
                                mixed: Tensor,
                                labels: Tensor,
                                weights: Tensor,
                                variant: str = 'paper',
                                temperature: float = 10.) -> Tensor:
    """L_fg (eq. 4): the pasted object keeps its distribution over classes.

    ``paper``: ``sum_p w_p KL(softmax M_s || softmax M_mix)`` over all classes, the CAM not
    normalised. ``prototype``: both CAMs are first scaled to [0, 1] over the classes of each pixel,
    the source's is multiplied by ``temperature``, and only the term of the object's class is kept,
    which may be negative.

    Args:
        source: CAM of the source image ``(N, C, h, w)``; it gets no gradient.
        mixed: CAM of the image with the pasted object.
        labels: One-hot class of the source image ``(N, C)``.
        weights: Of each pixel, ``(N, h, w)``: 1 on the object, or weights that sum to 1.
        variant: ``'paper'`` or ``'prototype'``.
        temperature: Of the prototype.

    Returns:
        A scalar: the sum over pixels, the mean over images.
    """
    _check_variant(variant)
    source, mixed = source.detach().float(), mixed.float()
    if variant == 'prototype':
        source, mixed = _scale_over_classes(source) * temperature, _scale_over_classes(mixed)
    terms = F.kl_div(mixed.log_softmax(1), source.log_softmax(1), reduction='none', log_target=True)
    if variant == 'prototype':
        terms = terms * labels[:, :, None, None]
    return (terms.sum(dim=1) * weights).sum(dim=(1, 2)).mean()


def background_consistency_loss(source: Tensor,
                                mixed: Tensor,
                                weights: Tensor,
                                variant: str = 'paper',
                                dummy: float = 0.1,
                                temperature: float = 10.) -> Tensor:
    """L_bg (eq. 5): the pasted background stays background.

    A constant score M' joins the class scores as that of the background; after the softmax, the sum
    over the classes is the saliency. ``paper``: the divergence of saliency and its complement.
    ``prototype``: only the term of the background, the mixed scores multiplied by ``temperature``.
    (The paper prints the foreground mixture in eq. 5, an error.)

    Args:
        source: CAM of the source image ``(N, C, h, w)``; it gets no gradient.
        mixed: CAM of the image with the pasted background.
        weights: ``(N, h, w)``, see :func:`foreground_consistency_loss`.
        variant: ``'paper'`` or ``'prototype'``.
        dummy: M'; .1 in the prototype, unknown in the paper.
        temperature: Of the prototype.

    Returns:
        A scalar: the sum over pixels, the mean over images.
    """
    _check_variant(variant)

    def log_probabilities(cam, factor=1.):
        """Of background and of all classes together, ``(N, 2, h, w)``."""
        scores = torch.cat([torch.full_like(cam[:, :1], dummy), cam], dim=1) * factor
        return torch.stack([scores[:, 0], scores[:, 1:].logsumexp(dim=1)], dim=1).log_softmax(1)

    target = log_probabilities(source.detach().float())
    predicted = log_probabilities(mixed.float(), temperature if variant == 'prototype' else 1.)
    terms = F.kl_div(predicted, target, reduction='none', log_target=True)
    terms = terms[:, 0] if variant == 'prototype' else terms.sum(dim=1)
    return (terms * weights).sum(dim=(1, 2)).mean()


def purity_weights(cam: Tensor,
                   mask: Tensor,
                   temperature: float = 0.1,
                   background: float = 0.4) -> Tensor:
    """The prototype's weights of pixels: the purer the CAM there, the larger.

    The purity is 1 minus the normalised entropy of the class scores beside a constant background;
    a softmax over the pixels of the mask makes weights that sum to 1 per image.

    Args:
        cam: Normalised CAM ``(N, C, h, w)`` in [0, 1].
        mask: Pixels that take part, ``(N, h, w)``.
        temperature: Of the softmax.
        background: The constant.

    Returns:
        ``(N, h, w)``, zero outside the mask.
    """
    scores = torch.cat([torch.full_like(cam[:, :1], background), cam], dim=1)
    prob = scores / scores.sum(dim=1, keepdim=True)
    entropy = -torch.xlogy(prob, prob).sum(dim=1) / math.log(scores.shape[1])
    purity = ((1 - entropy) / temperature).masked_fill(mask <= 0, -torch.inf).flatten(1)
    return purity.softmax(dim=1).nan_to_num(0.).view_as(mask)


def confident_cells(cam: Tensor, labels: Tensor, threshold: float = 0.5) -> Tensor:
    """Where the normalised CAM of a present class exceeds a threshold, ``(N, h, w)`` of 0 and 1."""
    return ((cam * labels[:, :, None, None]).amax(dim=1) > threshold).float()


def _scale_over_classes(cam: Tensor, eps: float = 1e-4) -> Tensor:
    low, high = cam.amin(dim=1, keepdim=True), cam.amax(dim=1, keepdim=True)
    return (cam - low) / (high - low + eps)


def _check_variant(variant: str) -> None:
    if variant not in ('paper', 'prototype'):
        raise ValueError(f"CSD: variant={variant!r} must be 'paper' or 'prototype'")


# -- module ----------------------------------------------------------------------------------------
@MODELS.register_module()
class CrossDomainDecoupling(WSSSModule):
    """CSD on any base.

    Needs the views ``source``, ``fg_mix`` and ``bg_mix`` of :class:`CrossDomainView`; the
    samples of the mixed views say in ``paste_mask`` ``(H, W)`` which pixels come from the source
    image.

    Args:
        fg_weight, bg_weight: Weights of the two losses (paper .01 and .1).
        variant: ``'paper'`` or ``'prototype'``, see the two losses.
        mean: Divide the sum over pixels by the size of the CAM and multiply by 196, the size of
            MCTformer's, so that the weights mean the same at every resolution.
        dummy: M' of the background loss.
        temperature: Of the prototype's softmax.
        threshold: The prototype uses the object's pixels only where its CAM exceeds this.
        purity: Temperature of :func:`purity_weights` in the prototype.
        teacher: Network that sees the source image: ``'frozen'`` (the student in evaluation mode,
            prototype), ``'student'`` (its own training pass, for networks whose batch norm learns:
            else its two modes differ more than the two images) or ``'teacher'`` (EMA weights).
        weight, begin, ramp, by_epoch, name: See :class:`WSSSModule`.

    Raises:
        ValueError: Unknown ``variant`` or a negative weight.
    """

    prefix = 'csd'
    views = ('source', 'fg_mix', 'bg_mix')

    def __init__(self,
                 fg_weight: float = 0.01,
                 bg_weight: float = 0.1,
                 variant: str = 'paper',
                 mean: bool = True,
                 dummy: float = 0.1,
                 temperature: float = 10.,
                 threshold: float = 0.5,
                 purity: Optional[float] = 0.1,
                 teacher: str = 'frozen',
                 **kwargs):
        super().__init__(**kwargs)
        _check_variant(variant)
        if fg_weight < 0 or bg_weight < 0:
            raise ValueError(f'CrossDomainDecoupling: fg_weight={fg_weight} and '
                             f'bg_weight={bg_weight} must not be negative')
        self.fg_weight = fg_weight
        self.bg_weight = bg_weight
        self.variant = variant
        self.mean = mean
        self.dummy = dummy
        self.temperature = temperature
        self.threshold = threshold
        self.purity = purity
        self.teacher = teacher
        self.networks = (teacher, )

    def add_views(self, views: Views) -> None:
        views.expect('image', *(['source'] if self.teacher == 'student' else []),
                     *(['fg_mix'] if self.fg_weight else []),
                     *(['bg_mix'] if self.bg_weight else []))

    def pixel_weights(self, source: Tensor, labels: Tensor, mask: Tensor,
                      foreground: bool) -> Tensor:
        """Weights of the pixels of a loss, ``(N, h, w)``."""
        weights = cells_inside(mask, source.shape[-2:])
        if self.variant == 'prototype':
            cam = normalize_cam(source)
            weights = purity_weights(cam, weights, self.purity)
            if foreground:
                weights = weights * confident_cells(cam, labels, self.threshold)
        elif self.mean:
            weights = weights * (196 / weights[0].numel())
        return weights

    def loss(self, views: Views) -> dict[str, Tensor]:
        source = views('source', self.teacher, grad=False).cam.float().relu()
        labels = views.labels('source')
        losses = {}
        if self.fg_weight:
            mixed = views['fg_mix'].cam.relu()
            weights = self.pixel_weights(source, labels, views.field('paste_mask', 'fg_mix'), True)
            losses['loss_fg'] = self.fg_weight * foreground_consistency_loss(
                source, mixed, labels, weights, self.variant, self.temperature)
        if self.bg_weight:
            mixed = views['bg_mix'].cam.relu()
            weights = self.pixel_weights(source, labels, views.field('paste_mask', 'bg_mix'), False)
            losses['loss_bg'] = self.bg_weight * background_consistency_loss(
                source, mixed, weights, self.variant, self.dummy, self.temperature)
        return losses
