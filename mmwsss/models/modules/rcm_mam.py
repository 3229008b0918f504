"""RCM and MAM: "Exploring Pixel-level Self-supervision for WSSS" (Yoon et al., 2021).

The student (MainNet) and its EMA teacher (SupportNet) see the image at several scales. Regional
contrast (RCM) draws each pixel's embedding to the prototype of its region; multi-scale attention
(MAM) draws the CAM at every scale to an attentive mean of the teacher's. There is no public code:
where the paper is silent or its print is in doubt, the docstring says what was chosen, and the
other reading is an option.
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from mmengine import dist
from torch import Tensor, nn

from mmwsss.registry import MODELS

from ..classifiers.views import Views
from ..utils.cam import normalize_cam
from .base import WSSSModule


# -- equations -------------------------------------------------------------------------------------
def class_region_masks(cam: Tensor, labels: Tensor, threshold: float = 0.2) -> Tensor:
    """Regions of the image's classes, and of the background where there is none (eq. 2).

    A pixel belongs to the class with the highest activation if that exceeds ``threshold``, else to
    the background; there is no band that is ignored.

    Args:
        cam: Normalised CAM ``(N, C, h, w)`` in [0, 1].
        labels: ``(N, C)``; only classes that are present count.
        threshold: In [0, 1].

    Returns:
        Float one-hot masks ``(N, C + 1, h, w)``, background first.
    """
    best, index = (cam * labels[:, :, None, None]).max(1)
    region = torch.where(best > threshold, index + 1, 0)
    return F.one_hot(region, cam.shape[1] + 1).movedim(-1, 1).to(cam)


def class_prototypes(features: Tensor, masks: Tensor, average: bool = True) -> Tensor:
    """Mean feature of each region, first within an image, then over the images that have it, of
    all ranks (eq. 3 and 4).

    Args:
        features: ``(N, D, h, w)``.
        masks: One-hot ``(N, C + 1, h, w)``.
        average: Within an image, the mean over the region (text); else the sum (eq. 3 as printed).

    Returns:
        ``(C + 1, D)``; 0 for a class without a region.
    """
    area = masks.sum((-2, -1))  # (N, C + 1)
    if average:  # before the sum, which may overflow in half precision
        masks = masks / area.clamp(min=1)[:, :, None, None]
    per_image = torch.einsum('ndhw,nkhw->nkd', features, masks)
    # One tensor, so that one message carries sums and counts.
    total = torch.cat([per_image.sum(0), (area > 0).to(area).sum(0)[:, None]], dim=1)
    if dist.get_world_size() > 1:
        dist.all_reduce(total)
    return total[:, :-1] / total[:, -1:].clamp(min=1)


def regional_contrast_loss(features: Tensor,
                           masks: Tensor,
                           prototypes: Tensor,
                           temperature: float = 0.5,
                           log: bool = True,
                           reduction: str = 'mean') -> Tensor:
    """L_RCM: a pixel is nearer to the prototype of its region than to the others (eq. 5).

    ``-sum_p sum_k M_p^k log softmax_k(<x_p, pt_k> / T)`` with x and pt of unit length.

    Args:
        features: The student's, ``(N, D, h, w)``.
        masks: One-hot ``(N, C + 1, h, w)``.
        prototypes: ``(C + 1, D)``.
        temperature: T.
        log: With the logarithm of InfoNCE, which the text names; eq. 5 is printed without.
        reduction: ``'mean'`` over pixels and images; ``'sum'`` over pixels, mean over images.

    Returns:
        A scalar.
    """
    features = F.normalize(features, dim=1)
    prototypes = F.normalize(prototypes, dim=1)
    logits = torch.einsum('ndhw,kd->nkhw', features, prototypes) / temperature
    gain = F.log_softmax(logits, 1) if log else F.softmax(logits, 1)
    loss = -(masks * gain).sum(1)
    return _reduce(loss, reduction)


def attention_targets(main_cams: Sequence[Tensor],
                      support_cams: Sequence[Tensor],
                      detach: bool = True) -> Tensor:
    """What the CAM of each scale should be: ``(1/S) sum_j xi_ij A_j^G`` (eq. 6 and 7).

    ``xi_ij = 2 - cos(A_i^F, A_j^G)`` per image and class: the more another scale differs, the
    more it counts. Not normalised again, so it may exceed 1.

    Args:
        main_cams: The student's normalised CAMs of S scales, each ``(N, C, h, w)``.
        support_cams: The teacher's.
        detach: No gradient through xi (the paper does not say).

    Returns:
        ``(S, N, C, h, w)``.
    """
    main, support = torch.stack(tuple(main_cams)), torch.stack(tuple(support_cams))
    source = main.detach() if detach else main
    cosine = F.cosine_similarity(source.flatten(-2)[:, None], support.flatten(-2)[None], dim=-1)
    return torch.einsum('ijnc,jnchw->inchw', 2 - cosine, support) / len(support)


def multi_scale_attention_loss(main_cams: Sequence[Tensor],
                               support_cams: Sequence[Tensor],
                               labels: Tensor,
                               attention: bool = True,
                               detach: bool = True,
                               reduction: str = 'mean') -> Tensor:
    """L_MAM: ``sum_k sum_i |target_i^k - A_i^k|_1`` over the classes k that are present (eq. 8).

    Args:
        main_cams: The student's normalised CAMs, each ``(N, C, h, w)``.
        support_cams: The teacher's.
        labels: ``(N, C)``.
        attention: Targets of :func:`attention_targets`; else the plain mean of the teacher's CAMs
            for all scales (SMM and MMM of the ablation).
        detach: See :func:`attention_targets`.
        reduction: Of the L1 norm: ``'mean'`` or ``'sum'`` over pixels. Classes and scales are
            summed as printed, images averaged.

    Returns:
        A scalar.
    """
    main = torch.stack(tuple(main_cams))
    if attention:
        target = attention_targets(main, support_cams, detach)
    else:
        target = torch.stack(tuple(support_cams)).mean(0)
    difference = (target - main).abs() * labels[:, :, None, None]
    return _reduce(difference.sum((0, 2)), reduction)


def _reduce(loss: Tensor, reduction: str) -> Tensor:
    """``(N, h, w)`` to a scalar: mean over images of the mean or sum over pixels."""
    if reduction not in ('mean', 'sum'):
        raise ValueError(f"reduction={reduction!r} must be 'mean' or 'sum'")
    return (loss if reduction == 'mean' else loss.sum((-2, -1))).mean()


# -- modules ---------------------------------------------------------------------------------------
class _MultiScaleModule(WSSSModule):
    """Multi-scale inputs and their normalised CAMs, shared by the two modules.

    Args:
        scales: Factors of the input size; 1 is the image itself.
        support: The network that gives masks, prototypes and targets: ``'teacher'`` (EMA) or
            ``'student'`` (the ablation's weight sharing), never with gradient.
        relu: Drop negative evidence before a CAM is divided by its maximum (the paper only divides;
            its CAMs are those of a ReLU in all related work).
        weight, begin, ramp, by_epoch, name: See :class:`WSSSModule`.
    """

    def __init__(self,
                 scales: Sequence[float] = (0.5, 1., 2.),
                 support: str = 'teacher',
                 relu: bool = True,
                 **kwargs):
        super().__init__(**kwargs)
        if 1 not in scales:
            raise ValueError(f'{type(self).__name__}: scales={scales} must contain 1')
        if support not in ('teacher', 'student'):
            raise ValueError(
                f"{type(self).__name__}: support={support!r} must be 'teacher' or 'student'")
        self.scales = tuple(float(scale) for scale in scales)
        self.support = support
        self.networks = (support, )
        self.relu = relu

    @staticmethod
    def view_name(scale: float) -> str:
        return 'image' if scale == 1 else f'scale{scale:g}'  # not SEAM's x0.5, which aligns corners

    def add_views(self, views: Views) -> None:
        for scale in self.scales:
            if scale != 1:
                views.add(self.view_name(scale), self._resized(views, scale), scale=scale)
        views.expect('image')

    @staticmethod
    def _resized(views: Views, scale: float):
        return lambda: F.interpolate(
            views.image(), scale_factor=scale, mode='bilinear', align_corners=False)

    def normalized_cam(self, views: Views, scale: float, network: str, grad: bool) -> Tensor:
        """CAM of one scale at the resolution of the image's own, each class map divided by its
        maximum; absent classes are 0."""
        def make() -> Tensor:
            size = views('image', network, grad=grad).cam.shape[-2:]
            cam = views(self.view_name(scale), network, grad=grad).cam.float()
            if cam.shape[-2:] != size:
                cam = F.interpolate(cam, size, mode='bilinear', align_corners=False)
            if self.relu:
                cam = normalize_cam(cam)
            else:
                high = cam.amax((-2, -1), keepdim=True)
                cam = cam / torch.where(high > 0, high, 1.)
            return cam * views.labels()[:, :, None, None]

        return views.shared(f'normalized_cam/{scale}/{network}/{grad}/{self.relu}', make)

    def support_cams(self, views: Views) -> list[Tensor]:
        """Of all scales, without gradient."""
        with torch.no_grad():
            return [self.normalized_cam(views, scale, self.support, False) for scale in self.scales]


@MODELS.register_module()
class RegionalContrast(_MultiScaleModule):
    """RCM (sec. 3.2): regional contrast of the student's pixel embeddings against prototypes of the
    support network.

    Needs a head with an embedding (``embed_channels=256``). The latest prototype of each class is
    kept in a buffer, for batches without the class, and is part of the checkpoint.

    Args:
        num_classes: C.
        embed_channels: D.
        threshold: Activation above which a pixel belongs to a class.
        temperature: T of eq. 5.
        aggregate: The CAM of the masks is the ``'mean'`` of the scales' CAMs, or their ``'sum'``
            divided by its maximum, as in the family's inference (the paper does not say which).
        contrast: ``'prototype'``; or ``'direct'``, the ablation's cross entropy of the masks on the
            CAM, with 0 as the score of the background where the head gives none.
        average: See :func:`class_prototypes`.
        log: See :func:`regional_contrast_loss`.
        reduction: See :func:`regional_contrast_loss`.
        scales, support, relu: As in :class:`MultiScaleAttention`.
        weight, begin, ramp, by_epoch, name: See :class:`WSSSModule`.

    Raises:
        ValueError: An option is unknown, or with ``contrast='prototype'`` the head has no embedding
            or another ``num_classes`` or ``embed_channels``.
    """

    prefix = 'rcm'

    def __init__(self,
                 num_classes: int = 20,
                 embed_channels: int = 256,
                 threshold: float = 0.2,
                 temperature: float = 0.5,
                 aggregate: str = 'mean',
                 contrast: str = 'prototype',
                 average: bool = True,
                 log: bool = True,
                 reduction: str = 'mean',
                 **kwargs):
        super().__init__(**kwargs)
        for key, value, known in [('aggregate', aggregate, ('mean', 'sum')),
                                  ('contrast', contrast, ('prototype', 'direct')),
                                  ('reduction', reduction, ('mean', 'sum'))]:
            if value not in known:
                raise ValueError(
                    f'RegionalContrast: {key}={value!r} must be {known[0]!r} or {known[1]!r}')
        self.threshold = threshold
        self.temperature = temperature
        self.aggregate = aggregate
        self.contrast = contrast
        self.average = average
        self.log = log
        self.reduction = reduction
        if contrast == 'prototype':
            self.register_buffer('prototypes', torch.zeros(num_classes + 1, embed_channels))

    def check(self, model: nn.Module) -> None:
        if self.contrast != 'prototype':
            return
        embed = getattr(model.head, 'embed', None)
        classes, channels = self.prototypes.shape[0] - 1, self.prototypes.shape[1]
        self.need(embed is not None, model, "an embedding for contrast='prototype'",
                  f'build the head with embed_channels={channels}')
        found = model.head.num_classes, embed.out_channels
        if found != (classes, channels):
            raise ValueError(
                f'RegionalContrast: num_classes={classes} and embed_channels={channels} must be '
                f'those of the head, {found[0]} and {found[1]}')

    @torch.no_grad()
    def masks(self, views: Views) -> Tensor:
        """Class regions by the support network, ``(N, C + 1, h, w)``."""
        cam = torch.stack(self.support_cams(views)).mean(0)
        if self.aggregate == 'sum':  # the sum over its maximum is the mean over its maximum
            cam = normalize_cam(cam)
        return class_region_masks(cam, views.labels(), self.threshold)

    @torch.no_grad()
    def update_prototypes(self, embedding: Tensor, masks: Tensor) -> Tensor:
        """The batch's prototypes, and the latest ones of classes that it has not."""
        new = class_prototypes(embedding, masks, self.average)
        prototypes = torch.where(new.any(1, keepdim=True), new, self.prototypes)
        self.prototypes.copy_(prototypes)
        return prototypes

    def loss(self, views: Views) -> dict[str, Tensor]:
        masks = self.masks(views)
        output = views['image']
        if self.contrast == 'direct':
            cam = output.cam.float()
            bg = torch.zeros_like(cam[:, :1]) if output.bg is None else output.bg.float()
            loss = F.cross_entropy(
                torch.cat([bg, cam], 1), masks.max(1).indices, reduction='none')
            return dict(loss_contrast=_reduce(loss, self.reduction))
        support = views('image', self.support, grad=False).extra['embedding'].float()
        prototypes = self.update_prototypes(support, masks)
        return dict(
            loss_contrast=regional_contrast_loss(output.extra['embedding'].float(), masks,
                                                 prototypes, self.temperature, self.log,
                                                 self.reduction))


@MODELS.register_module()
class MultiScaleAttention(_MultiScaleModule):
    """MAM (sec. 3.3): the CAM of every scale is drawn to the support network's of all scales.

    Args:
        variant: ``'mam'``; or of the ablation ``'mmm'`` (all scales, without attention) and
            ``'smm'`` (only the image's own scale is taught, without attention).
        detach: See :func:`attention_targets`.
        reduction: See :func:`multi_scale_attention_loss`.
        scales: Factors of the input size; 1 is the image itself.
        support: Network that gives the targets, ``'teacher'`` (EMA) or ``'student'`` (the
            ablation's weight sharing), never with gradient.
        relu: Drop negative evidence before a CAM is divided by its maximum (the paper only says
            that it is divided).
        weight, begin, ramp, by_epoch, name: See :class:`WSSSModule`; paper: ``begin=6``.
    """

    prefix = 'mam'

    def __init__(self,
                 variant: str = 'mam',
                 detach: bool = True,
                 reduction: str = 'mean',
                 **kwargs):
        super().__init__(**kwargs)
        if variant not in ('mam', 'mmm', 'smm'):
            raise ValueError(
                f"MultiScaleAttention: variant={variant!r} must be 'mam', 'mmm' or 'smm'")
        if reduction not in ('mean', 'sum'):
            raise ValueError(
                f"MultiScaleAttention: reduction={reduction!r} must be 'mean' or 'sum'")
        self.variant = variant
        self.detach = detach
        self.reduction = reduction

    @property
    def taught_scales(self) -> Sequence[float]:
        return (1., ) if self.variant == 'smm' else self.scales

    def add_views(self, views: Views) -> None:
        super().add_views(views)
        views.expect(*map(self.view_name, self.taught_scales))

    def loss(self, views: Views) -> dict[str, Tensor]:
        # With gradient first: a support network that is the student takes these, detached.
        main = [
            self.normalized_cam(views, scale, 'student', True) for scale in self.taught_scales
        ]
        return dict(
            loss_attention=multi_scale_attention_loss(
                main, self.support_cams(views), views.labels(), self.variant == 'mam', self.detach,
                self.reduction))
