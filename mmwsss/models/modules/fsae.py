"""FSAE: Feature-level and Spatial-level Activation Expansion (Choi et al., WACV 2025).

What the weakly augmented image shows with confidence supervises the strongly augmented one (FAE,
the feature level), and so does the ring around its confident objects, with a lower threshold (SAE,
the spatial level). It needs class scores with a background and nothing else of the base.

The released repository holds no code; where the paper is silent, the facts are those of the same
author's prototype on PPC with EPS. The docstrings say which is which.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mmwsss.registry import MODELS

from ..classifiers.views import Views
from ..heads.base import CAMOutput
from ..utils.cam import background_score, normalize_cam
from .base import WSSSModule


# -- equations -------------------------------------------------------------------------------------
def confident_mask(prob: Tensor, tau: float) -> Tensor:
    """M of eq. 7: pixels whose best class, the background included, has at least probability
    ``tau``.

    Args:
        prob: Probabilities ``(N, K, h, w)``.
        tau: In [0, 1].

    Returns:
        Boolean ``(N, h, w)``.
    """
    return prob.amax(dim=1) >= tau


def boundary_mask(mask: Tensor, prob: Tensor, tau: float, kernel: int = 3) -> Tensor:
    """Ring by which a ``kernel`` x ``kernel`` dilation grows ``mask``, where it is confident
    (eq. 7).

    Args:
        mask: Boolean ``(N, h, w)``.
        prob: Probabilities ``(N, K, h, w)``, background included.
        tau: Confidence that a pixel of the ring must have.
        kernel: Odd side of the square; 1 gives no ring.

    Returns:
        Boolean ``(N, h, w)``, disjoint from ``mask``.

    Raises:
        ValueError: ``kernel`` is even or not positive.
    """
    if kernel < 1 or kernel % 2 == 0:
        raise ValueError(f'boundary_mask: kernel={kernel} must be odd and positive')
    grown = F.max_pool2d(mask[:, None].to(prob), kernel, 1, kernel // 2)[:, 0] > 0
    return grown & ~mask & confident_mask(prob, tau)


def pseudo_labels(logits: Tensor,
                  labels: Tensor,
                  tau_fae: float = 0.95,
                  tau_sae: float = 0.8,
                  kernel: int = 3,
                  dilate: str = 'fg',
                  absent: str = 'zero') -> tuple[Tensor, Tensor, Tensor]:
    """Hard labels of the weak view (eq. 6), the confident pixels M and the ring B around them
    (eq. 7).

    Args:
        logits: Of the weak view, ``(N, C + 1, h, w)``, background first.
        labels, tau_fae, tau_sae, kernel, dilate, absent: See :func:`fsae_loss`.

    Returns:
        int64 ``(N, h, w)`` with 0 the background, boolean M and B ``(N, h, w)``.
    """
    prob = mask_absent(logits, labels, absent).softmax(dim=1)
    mask = confident_mask(prob, tau_fae)
    inner = mask if dilate == 'all' else confident_mask(prob[:, 1:], tau_fae)
    return prob.max(dim=1).indices, mask, boundary_mask(inner, prob, tau_sae, kernel)


def mask_absent(logits: Tensor, labels: Tensor, absent: str) -> Tensor:
    """Logits ``(N, C + 1, h, w)`` in single precision, those of absent classes masked (eq. 6), see
    ``absent`` of :func:`fsae_loss`."""
    present = F.pad(labels, (1, 0), value=1.)[:, :, None, None]
    if absent == 'zero':
        return logits.float() * present
    return logits.float().masked_fill(present == 0, -torch.inf)


def fsae_loss(student_logits: Tensor,
              teacher_logits: Tensor,
              labels: Tensor,
              tau_fae: float = 0.95,
              tau_sae: float = 0.8,
              kernel: int = 3,
              dilate: str = 'fg',
              boundary_weight: float = 1.,
              absent: str = 'zero',
              reduction: str = 'mean') -> Tensor:
    """Cross entropy of the strong view with the confident hard labels of the weak view (eq. 9).

    ``mean(CE M) + boundary_weight * mean(CE B)`` over *all* pixels, also those in neither mask.

    Args:
        student_logits: Of the strong view, ``(N, C + 1, h, w)``, **background first**; the only
            ones with gradient.
        teacher_logits: Of the weak view, likewise.
        labels: Multi-hot ``(N, C)``.
        tau_fae: Confidence of M.
        tau_sae: Confidence of the ring B.
        kernel: Side of the dilation.
        dilate: What the ring surrounds: ``'fg'``, the pixels with a confident object class
            (prototype; a pixel of the ring that is confident background counts twice then), or
            ``'all'``, M (paper, eq. 7), which disagrees only where M holds background.
        boundary_weight: Weight of the ring; 0 is FAE alone.
        absent: Logits of classes that the image does not have (eq. 6): ``'zero'``: multiplied by 0,
            which leaves them some probability (prototype), or ``'drop'``: no probability at all.
        reduction: ``'mean'`` over all pixels (prototype), or ``'sum'`` over the pixels of an image,
            as eq. 9 may be read, and the mean over images.

    Returns:
        A scalar.

    Raises:
        ValueError: Unknown ``dilate``, ``absent`` or ``reduction``, even ``kernel``, or logits that
            do not fit the labels.
    """
    _check_choices('fsae_loss', dilate, absent, reduction)
    if student_logits.shape[1] != labels.shape[1] + 1:
        raise ValueError(
            f'fsae_loss: {labels.shape[1]} classes need {labels.shape[1] + 1} channels of logits '
            f'(background first), not {student_logits.shape[1]}')
    with torch.no_grad():
        pseudo = pseudo_labels(teacher_logits, labels, tau_fae, tau_sae, kernel, dilate, absent)
    fae, sae = fsae_terms(mask_absent(student_logits, labels, absent), *pseudo, reduction)
    return fae + boundary_weight * sae


def fsae_terms(logits: Tensor, target: Tensor, mask: Tensor, ring: Tensor,
               reduction: str = 'mean') -> tuple[Tensor, Tensor]:
    """The two terms of :func:`fsae_loss` apart, FAE and SAE, from the masked logits of the strong
    view and :func:`pseudo_labels`."""
    pixel_loss = F.cross_entropy(logits, target, reduction='none')
    pixels = 1 if reduction == 'mean' else target[0].numel()
    return (pixel_loss * mask).mean() * pixels, (pixel_loss * ring).mean() * pixels


def label_quality(target: Tensor, mask: Tensor, ground_truth: Tensor) -> dict[str, Tensor]:
    """How good and how many the pseudo labels are (fig. 6).

    Args:
        target: Labels ``(N, h, w)``.
        mask: The pixels that are supervised, boolean ``(N, h, w)``.
        ground_truth: ``(N, H, W)``, 255 ignored; taken at the nearest pixels.

    Returns:
        ``pseudo_accuracy``: share of the supervised pixels whose label is right, 0 without any;
        ``pseudo_ratio``: share of the pixels that are supervised. Ignored pixels count in neither.
    """
    truth = F.interpolate(ground_truth[:, None].float(), target.shape[-2:], mode='nearest')[:, 0]
    scored = truth != 255
    supervised = mask & scored
    right = (supervised & (truth == target)).sum()
    return dict(pseudo_accuracy=right / supervised.sum().clamp(min=1),
                pseudo_ratio=supervised.sum() / scored.sum().clamp(min=1))


def _check_choices(name: str, dilate: str, absent: str, reduction: str) -> None:
    for option, value, choices in (('dilate', dilate, ('fg', 'all')),
                                   ('absent', absent, ('zero', 'drop')),
                                   ('reduction', reduction, ('mean', 'sum'))):
        if value not in choices:
            raise ValueError(f'{name}: {option}={value!r} must be {choices[0]!r} or {choices[1]!r}')


def pixel_scores(output: CAMOutput,
                 labels: Tensor,
                 background: str = 'head',
                 temperature: float = 0.1,
                 constant: float = 0.4) -> Tensor:
    """Scores to put through a softmax, with a background, of any head.

    Args:
        output: Of the network.
        labels: Multi-hot ``(N, C)``.
        background: ``'head'``: the head's own raw scores, whose background channel some pixel loss
            trains (PPC with EPS, KTSE). The paper does not say what takes its place in a base
            without one; our choice is the CAM normalised to [0, 1], over a ``temperature``, and
            beside it ``'one_minus_max'``: ``1 - max_c`` (SIPE's own background), or ``'constant'``
            (MCTformer, whose seeds are cut at a constant).
        temperature: Divides the last two. With .1 and ``'one_minus_max'``, a CAM above .68 or below
            .32 is confident at .95.
        constant: Background score of ``'constant'``, in (0, 1).

    Returns:
        ``(N, C + 1, h, w)``, background first.
    """
    if background == 'head':
        return output.scores
    cam = normalize_cam(output.cam.float()) * labels[:, :, None, None]
    if background == 'one_minus_max':
        below = background_score(cam)
    else:
        below = torch.full_like(cam[:, :1], constant)
    return torch.cat([below, cam], dim=1) / temperature


# -- module ----------------------------------------------------------------------------------------
@MODELS.register_module()
class FeatureSpatialActivationExpansion(WSSSModule):
    """FSAE on any base.

    Needs the view ``strong`` (transform ``StrongView``): the same crop, more strongly distorted in
    colour and blur. Where the samples hold ground truth (``LoadMask()`` in the training pipeline),
    it logs the accuracy and the ratio of the pseudo labels (fig. 6, :func:`label_quality`); nothing
    learns from it.

    Args:
        tau_fae: Confidence of the supervised pixels (table 7: .80 to .99).
        tau_sae: Confidence of the ring around them.
        kernel: Side of the dilation that makes the ring (table 9: 3 to 7).
        dilate: ``'fg'`` (prototype) or ``'all'`` (paper), see :func:`fsae_loss`.
        boundary_weight: Weight of the ring; 0 is the row "FAE only".
        absent: ``'zero'`` (prototype) or ``'drop'``, see :func:`fsae_loss`.
        reduction: ``'mean'`` (prototype) or ``'sum'``, see :func:`fsae_loss`.
        background: ``'head'``, ``'one_minus_max'`` or ``'constant'``, see :func:`pixel_scores`.
        temperature, constant: See :func:`pixel_scores`.
        teacher: Network that labels the weak view: ``'student'`` (its own training pass, without
            gradient, at no cost: the labels come from the dropout mask that the base losses see,
            where the prototype makes a pass of its own, with another mask), ``'teacher'`` (EMA
            weights; the paper on COCO) or ``'frozen'`` (the student in evaluation mode).
        weight, begin, ramp, by_epoch, name: See :class:`WSSSModule`; MCTformer: ``begin=10``.

    Raises:
        ValueError: An option is out of range, or the head has no background score and
            ``background='head'``.
    """

    prefix = 'fsae'
    views = ('strong', )

    def __init__(self,
                 tau_fae: float = 0.95,
                 tau_sae: float = 0.8,
                 kernel: int = 3,
                 dilate: str = 'fg',
                 boundary_weight: float = 1.,
                 absent: str = 'zero',
                 reduction: str = 'mean',
                 background: str = 'head',
                 temperature: float = 0.1,
                 constant: float = 0.4,
                 teacher: str = 'student',
                 **kwargs):
        super().__init__(**kwargs)
        me = type(self).__name__
        for option, value in (('tau_fae', tau_fae), ('tau_sae', tau_sae)):
            if not 0 <= value <= 1:
                raise ValueError(f'{me}: {option}={value} must be in [0, 1]')
        if kernel < 1 or kernel % 2 == 0:
            raise ValueError(f'{me}: kernel={kernel} must be odd and positive')
        _check_choices(me, dilate, absent, reduction)
        if background not in ('head', 'one_minus_max', 'constant'):
            raise ValueError(
                f"{me}: background={background!r} must be 'head', 'one_minus_max' or 'constant'")
        if temperature <= 0 or not 0 < constant < 1:
            raise ValueError(f'{me}: temperature={temperature} must be positive and '
                             f'constant={constant} in (0, 1)')
        self.options = dict(
            tau_fae=tau_fae, tau_sae=tau_sae, kernel=kernel, dilate=dilate, absent=absent)
        self.reduction = reduction
        self.boundary_weight = boundary_weight
        self.background = background
        self.score_options = dict(
            background=background, temperature=temperature, constant=constant)
        self.teacher = teacher
        self.networks = (teacher, )

    def check(self, model: nn.Module) -> None:
        if self.background == 'head':
            self.need_background(
                model, " for background='head'", 'build the head with background=True where it can '
                "(some pixel loss must train it), or set background='one_minus_max' or 'constant' "
                'here')

    def add_views(self, views: Views) -> None:
        views.expect('image', 'strong')

    def loss(self, views: Views) -> dict[str, Tensor]:
        labels = views.labels('image')
        weak = views('image', self.teacher, grad=False)
        with torch.no_grad():
            target, mask, ring = pseudo_labels(
                pixel_scores(weak, labels, **self.score_options), labels, **self.options)
        logits = mask_absent(pixel_scores(views['strong'], labels, **self.score_options), labels,
                             self.options['absent'])
        fae, sae = fsae_terms(logits, target, mask, ring, self.reduction)
        losses = dict(loss_fae=fae)
        if self.boundary_weight:
            losses['loss_sae'] = self.boundary_weight * sae
            mask = mask | ring
        if all('gt_sem_seg' in sample for sample in views.samples['image']):
            losses.update(label_quality(target, mask, views.field('gt_sem_seg')))
        return losses
