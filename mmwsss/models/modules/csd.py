"""CSD: Cross-domain Semantic Decoupling (Yang et al., BMVC 2023).

Classes that always come together get mixed up in the CAM. Images of a single class (source) tell
them apart: their foreground is pasted into an image of several classes, and so is their
background, and the CAM of what was pasted must stay what it was in the source image.

The paper gives the two losses without softmax temperature or normalisation; an unfinished prototype
by its first author has more details. ``variant='paper'`` reads the equations literally and is the
default; with ``mean=True``, the default too, both losses are ``196 / (h w)`` times the printed
sums, so literal at MCTformer's 14 x 14 only. ``'prototype'`` is that code to the letter.
``'confident'`` is **ours**: the prototype's losses on the purest pixels of the source image and
with a sharper target, which gained more on our small data. All see the CAM as seeds do, cut at zero
(MCTformer's has nothing below): left raw, the negative scores of a convolutional head rule the
softmax.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from mmwsss.registry import MODELS

from ..classifiers.views import Views
from ..utils.cam import normalize_cam
from .base import WSSSModule


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
                                temperature: float | None = None) -> Tensor:
    """L_fg (eq. 3): the pasted object keeps its distribution over classes.

    ``paper``: ``sum_p w_p KL(softmax M_s || softmax M_mix)`` over all classes, the CAM not
    normalised. ``prototype`` and ``confident``: both CAMs are first scaled to [0, 1] over the
    classes of each pixel, the source's is multiplied by ``temperature``, and only the term of the
    object's class is kept, which may be negative.

    Args:
        source: CAM of the source image ``(N, C, h, w)``; it gets no gradient.
        mixed: CAM of the image with the pasted object.
        labels: One-hot class of the source image ``(N, C)``.
        weights: Of each pixel, ``(N, h, w)``: 1 on the object, or weights that sum to 1.
        variant: ``'paper'``, ``'prototype'`` or ``'confident'``.
        temperature: Factor of the source's scores; by default 1 (``prototype``) or 10
            (``confident``).

    Returns:
        A scalar: the sum over pixels, the mean over images.
    """
    _check_variant(variant)
    source, mixed = source.detach().float(), mixed.float()
    if variant != 'paper':
        factor = (1. if variant == 'prototype' else 10.) if temperature is None else temperature
        source, mixed = _scale(source, 1) * factor, _scale(mixed, 1)
    terms = F.kl_div(mixed.log_softmax(1), source.log_softmax(1), reduction='none', log_target=True)
    if variant != 'paper':
        terms = terms * labels[:, :, None, None]
    return (terms.sum(dim=1) * weights).sum(dim=(1, 2)).mean()


def background_consistency_loss(source: Tensor,
                                mixed: Tensor,
                                weights: Tensor,
                                variant: str = 'paper',
                                dummy: float = 0.1,
                                temperature: float = 10.) -> Tensor:
    """L_bg (eq. 5): the pasted background stays background.

    A constant score M' joins the class scores as that of the background. ``paper``: the sum of the
    class scores, the saliency score, and M' go through a softmax of the two, and the divergence of
    both terms counts (eq. 5 prints the foreground mixture, an error). ``prototype`` and
    ``confident``: the softmax is over M' and all class scores, the mixed ones multiplied by
    ``temperature``, and only the term of the background counts. Without evidence of any of 20
    classes the background has probability .525 in the first, .052 in the second.

    Args:
        source: CAM of the source image ``(N, C, h, w)``; it gets no gradient.
        mixed: CAM of the image with the pasted background.
        weights: ``(N, h, w)``, see :func:`foreground_consistency_loss`.
        variant: ``'paper'``, ``'prototype'`` or ``'confident'``.
        dummy: M'; .1 in the prototype, unknown in the paper.
        temperature: Factor of the mixed scores outside ``paper``.

    Returns:
        A scalar: the sum over pixels, the mean over images.
    """
    _check_variant(variant)

    def log_probabilities(cam, factor=1.):
        scores = cam.sum(dim=1, keepdim=True) if variant == 'paper' else cam
        scores = torch.cat([torch.full_like(cam[:, :1], dummy), scores], dim=1) * factor
        return scores.log_softmax(1)

    target = log_probabilities(source.detach().float())
    predicted = log_probabilities(mixed.float(), 1. if variant == 'paper' else temperature)
    terms = F.kl_div(predicted, target, reduction='none', log_target=True)
    terms = terms.sum(dim=1) if variant == 'paper' else terms[:, 0]
    return (terms * weights).sum(dim=(1, 2)).mean()


def purity_weights(cam: Tensor,
                   mask: Tensor,
                   temperature: float = 0.1,
                   background: float = 0.4) -> Tensor:
    """Weights of pixels in ``variant='confident'``: the purer the CAM there, the larger.

    The purity is 1 minus the normalised entropy of the class scores beside a constant background;
    a softmax over the pixels of the mask makes weights that sum to 1 per image.

    Args:
        cam: Normalised CAM of the source image ``(N, C, h, w)`` in [0, 1].
        mask: Pixels that take part, ``(N, h, w)``.
        temperature: Of the softmax.
        background: The constant.

    Returns:
        ``(N, h, w)``, zero outside the mask.
    """
    purity = (1 - _entropy(cam, background)) / temperature
    return purity.masked_fill(mask <= 0, -torch.inf).flatten(1).softmax(
        dim=1).nan_to_num(0.).view_as(mask)


def entropy_weights(cam: Tensor,
                    mask: Tensor,
                    temperature: float = 1.,
                    background: float = 0.4) -> Tensor:
    """The prototype's weights of pixels: a softmax over the mask of the entropy, so the *less* pure
    the mixed image's CAM, the larger.

    Args:
        cam: CAM of the mixed image scaled to [0, 1] over the pixels, absent classes 0,
            ``(N, C, h, w)``.
        mask: Pixels that take part, ``(N, h, w)``. An image without any has equal weights
            everywhere, as in the prototype.
        temperature: Of the softmax, the inverse of the prototype's ``purity_t``.
        background: Constant background score.

    Returns:
        ``(N, h, w)`` that sum to 1 per image.
    """
    entropy = _entropy(cam, background, 1e-6).masked_fill(mask <= 0, -1e4) / temperature
    return entropy.flatten(1).softmax(dim=1).view_as(mask)


def _entropy(cam: Tensor, background: float, eps: float = 0.) -> Tensor:
    """Of the class scores beside a constant background, in [0, 1], ``(N, h, w)``."""
    scores = torch.cat([torch.full_like(cam[:, :1], background), cam], dim=1)
    prob = scores / scores.sum(dim=1, keepdim=True)
    return -torch.xlogy(prob, prob + eps).sum(dim=1) / math.log(scores.shape[1])


def confident_cells(cam: Tensor, labels: Tensor, threshold: float = 0.5) -> Tensor:
    """Where the normalised CAM of a present class exceeds a threshold, ``(N, h, w)`` of 0 and 1."""
    return ((cam * labels[:, :, None, None]).amax(dim=1) > threshold).float()


def _scale(cam: Tensor, dim, eps: float = 1e-4) -> Tensor:
    """To [0, 1] over the classes of a pixel (``dim=1``) or the pixels of a class (``(2, 3)``)."""
    low, high = cam.amin(dim=dim, keepdim=True), cam.amax(dim=dim, keepdim=True)
    return (cam - low) / (high - low + eps)


def _check_variant(variant: str) -> None:
    if variant not in ('paper', 'prototype', 'confident'):
        raise ValueError(
            f"CSD: variant={variant!r} must be 'paper', 'prototype' or 'confident'")


# -- module ----------------------------------------------------------------------------------------
@MODELS.register_module()
class CrossDomainDecoupling(WSSSModule):
    """CSD on any base.

    Needs the views ``source``, ``fg_mix`` and ``bg_mix`` of :class:`CrossDomainView`; the
    samples of the mixed views say in ``paste_mask`` ``(H, W)`` which pixels come from the source
    image.

    Args:
        fg_weight, bg_weight: Weights of the two losses (paper .01 and .1).
        variant: ``'paper'``, ``'prototype'`` or ``'confident'`` (ours), see the two losses and
            :meth:`pixel_weights`.
        mean: In ``paper``, divide the sum over pixels by the size of the CAM and multiply by 196,
            the size of MCTformer's, so that the weights mean the same at every resolution.
        dummy: M' of the background loss.
        temperature: Of L_fg, see :func:`foreground_consistency_loss`.
        bg_temperature: Of L_bg, see :func:`background_consistency_loss`.
        threshold: Outside ``paper`` the object's pixels count only where its CAM in the source
            image exceeds this.
        purity: Temperature of the weights of pixels; by default 1 in :func:`entropy_weights`
            (``prototype``) and .1 in :func:`purity_weights` (``confident``).
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
                 temperature: float | None = None,
                 bg_temperature: float = 10.,
                 threshold: float = 0.5,
                 purity: float | None = None,
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
        self.bg_temperature = bg_temperature
        self.threshold = threshold
        self.purity = (1. if variant == 'prototype' else 0.1) if purity is None else purity
        self.teacher = teacher
        self.networks = (teacher, )

    def add_views(self, views: Views) -> None:
        views.expect('image', *(['source'] if self.teacher == 'student' else []),
                     *(['fg_mix'] if self.fg_weight else []),
                     *(['bg_mix'] if self.bg_weight else []))

    def pixel_weights(self, source: Tensor, mixed: Tensor, labels: dict[str, Tensor], mask: Tensor,
                      foreground: bool) -> Tensor:
        """Weights of the pixels of a loss.

        Cells that are wholly pasted count (``paper``); beside that, outside ``paper`` there are
        weights of the pixels, in ``prototype`` by the entropy of the mixed image's CAM, in
        ``confident`` by the purity of the source's, and of the foreground only confident cells
        of the source.

        Args:
            source, mixed: CAMs ``(N, C, h, w)``.
            labels: Those of ``source`` and ``mixed``, ``(N, C)``.
            mask: Pasted pixels ``(N, H, W)``.
            foreground: Of L_fg, else of L_bg.

        Returns:
            ``(N, h, w)``.
        """
        inside = cells_inside(mask, source.shape[-2:])
        if self.variant == 'paper':
            return inside * (196 / inside[0].numel()) if self.mean else inside
        if self.variant == 'prototype':
            cam = _scale(source, (2, 3))
            there = _scale(mixed.detach().float(), (2, 3)) * labels['mixed'][:, :, None, None]
            weights = entropy_weights(there, inside, self.purity)
        else:
            cam = normalize_cam(source)
            weights = purity_weights(cam, inside, self.purity)
        if foreground:
            weights = weights * inside * confident_cells(cam, labels['source'], self.threshold)
        return weights

    def loss(self, views: Views) -> dict[str, Tensor]:
        source = views('source', self.teacher, grad=False).cam.float().relu()
        losses = {}

        def mixed_and_weights(name):
            mixed = views[name].cam.relu()
            labels = dict(source=views.labels('source'), mixed=views.labels(name))
            return mixed, self.pixel_weights(
                source, mixed, labels, views.field('paste_mask', name), name == 'fg_mix')

        if self.fg_weight:
            mixed, weights = mixed_and_weights('fg_mix')
            losses['loss_fg'] = self.fg_weight * foreground_consistency_loss(
                source, mixed, views.labels('source'), weights, self.variant, self.temperature)
        if self.bg_weight:
            mixed, weights = mixed_and_weights('bg_mix')
            losses['loss_bg'] = self.bg_weight * background_consistency_loss(
                source, mixed, weights, self.variant, self.dummy, self.bg_temperature)
        return losses
