"""KTSE: Knowledge Transfer with Simulated Inter-Image Erasing (Chen et al., ECCV 2024).

Three ideas on a CAM classifier: simulated inter-image erasing (SIE, sec. 3.2), self-supervised
regularisation (SSR, sec. 3.3) and multi-granularity alignment (MGA, sec. 3.4). The defaults are
those of the released code, which gave the published numbers; where the paper's equation differs, it
is an option and the docstring says so.
"""

import math

import torch
import torch.nn.functional as F
from mmengine import dist
from torch import Tensor, nn

from mmwsss.registry import MODELS

from .. import refiners
from ..classifiers.views import Views
from ..utils.erasing import foreground_response
from ..utils.reductions import masked_mean
from .base import WSSSModule
from .erased_view import add_erased_view, image_response


# -- equations -------------------------------------------------------------------------------------
def knowledge_transfer_loss(target: Tensor,
                            synthetic: Tensor,
                            labels: Tensor,
                            margin: float = 0.05) -> Tensor:
    """L_kt: what the separate images activate, the concatenated image must activate too.

    ``mean(relu(target - synthetic - margin) * y)``; the paper has no margin (``margin=0``).

    Args:
        target: Raw CAM of the images on their own, put together, ``(N, C, h, w)``.
        synthetic: Raw CAM of the concatenated image, ``(N, C, h, w)``.
        labels: Classes in either image, ``(N, C)``.
        margin: Difference that is tolerated.

    Returns:
        A scalar, the mean over all entries including those of absent classes.
    """
    return (F.relu(target - synthetic - margin) * labels[:, :, None, None]).mean()


def inter_class_loss(scores: Tensor, mask: Tensor, detach: bool = True) -> Tensor:
    """L_inter: the two best classes of a foreground pixel must lie apart (eq. 7).

    ``sum((V_sec - V_max) M) / max(sum M, 1e-6)`` with the best and second-best class score, by
    :func:`masked_mean`: ``sum M`` is its mean over the ranks (the released code adds 1e-5 to it).

    Args:
        scores: Class scores ``(N, C, H, W)``, foreground only; non-negative in the code. The
            second best of a single class is 0.
        mask: Pixels to use, ``(N, H, W)`` or ``(N, 1, H, W)``.
        detach: No gradient through the best score (code; the paper does not say so).

    Returns:
        A scalar, at most 0 with more than one class; 0 if the mask is empty.
    """
    if scores.shape[1] == 1:
        best, second = scores[:, 0], torch.zeros_like(scores[:, 0])
    else:
        best, second = scores.topk(2, dim=1).values.unbind(1)
    if detach:
        best = best.detach()
    return masked_mean(second - best, mask.reshape(best.shape))


def confident_ce_loss(logits: Tensor,
                      pseudo: Tensor,
                      fg_weight: float = 0.0125,
                      fg_images: Tensor | None = None) -> Tensor:
    """Cross entropy on confident pixels, background and foreground averaged apart (eq. 5).

    ``mean_bg CE + fg_weight * mean_fg CE``; an empty set counts 0 (the original gives NaN).

    Args:
        logits: ``(N, C + 1, H, W)``, background first.
        pseudo: Label map ``(N, H, W)``: 0 background, ``1..C``, 255 not confident.
        fg_weight: Weight of the foreground term.
        fg_images: Images ``(N,)`` whose foreground counts; None means all.

    Returns:
        A scalar.
    """
    pixel_loss = F.cross_entropy(logits, pseudo, ignore_index=255, reduction='none')
    foreground = (pseudo > 0) & (pseudo != 255)
    if fg_images is not None:
        foreground = foreground & fg_images[:, None, None]
    return (masked_mean(pixel_loss, pseudo == 0) +
            fg_weight * masked_mean(pixel_loss, foreground))


def global_alignment_loss(anchor: Tensor, erased: Tensor, labels: Tensor) -> Tensor:
    """L_global: erasing must not change how much of a class there is (eq. 8).

    ``mean |GAP(relu(erased)) y - GAP(relu(anchor)) y|``, over absent classes too.

    Args:
        anchor: Raw CAM of the image, ``(N, C, h, w)``.
        erased: Raw CAM of the erased image, ``(N, C, h, w)``.
        labels: ``(N, C)``.

    Returns:
        A scalar.
    """
    def pooled(cam):
        return F.relu(cam).mean((-2, -1)) * labels

    return F.l1_loss(pooled(erased), pooled(anchor))


def local_alignment_loss(anchor: Tensor,
                         erased: Tensor,
                         labels: Tensor,
                         valid: Tensor | None = None,
                         margin: float = 0.05) -> Tensor:
    """L_local: what shows up when the rest is erased, the anchor must activate too (eq. 9).

    ``mean(relu((erased - anchor) * valid - margin) * y)``; the paper has neither ``valid`` nor the
    margin.

    Args:
        anchor: Raw CAM of the image, ``(N, C, h, w)``.
        erased: Raw CAM of the erased image, ``(N, C, h, w)``.
        labels: ``(N, C)``.
        valid: What was not erased, ``(N, 1, h, w)``; None means everything.
        margin: Difference that is tolerated.

    Returns:
        A scalar, the mean over all entries including those of absent classes.
    """
    difference = erased - anchor
    if valid is not None:
        difference = difference * valid
    return (F.relu(difference - margin) * labels[:, :, None, None]).mean()


# -- modules ---------------------------------------------------------------------------------------
@MODELS.register_module()
class SimulatedInterImageErasing(WSSSModule):
    """SIE (sec. 3.2): concatenating two images weakens the CAM of each, as erasing does; the CAM
    of the separate images teaches that of the concatenated one.

    Needs the views ``image`` and ``paired`` (:class:`PairedView`); makes ``concat``. Only the
    partners that it uses go through the network.

    Args:
        num_pairs: Pairs per step over all ranks, the first of the batch; each of R ranks takes
            ``ceil(num_pairs / R)``, or its batch if that is smaller.
        margin: Tolerated difference (code .05, paper 0).
        target: ``'both'`` aligns both halves under the classes of either image (code);
            ``'anchor'`` only the anchor's half under its own (paper): the partners then go through
            the network only for :class:`SelfSupervisedRegularization`, without gradient.
        detach: No gradient into the separate images' CAM (neither code nor, it seems, paper).
        weight, begin, ramp, by_epoch, name: See :class:`WSSSModule`; code: ``begin=10``.
    """

    prefix = 'sie'
    views = ('paired', )

    def __init__(self,
                 num_pairs: int = 4,
                 margin: float = 0.05,
                 target: str = 'both',
                 detach: bool = False,
                 **kwargs):
        super().__init__(**kwargs)
        if num_pairs < 1:
            raise ValueError(f'SimulatedInterImageErasing: num_pairs={num_pairs} must be positive')
        if target not in ('both', 'anchor'):
            raise ValueError(
                f"SimulatedInterImageErasing: target={target!r} must be 'both' or 'anchor'")
        self.num_pairs = num_pairs
        self.margin = margin
        self.target = target
        self.detach = detach

    def pairs_of(self, views: Views) -> int:
        """Pairs on this rank."""
        return min(math.ceil(self.num_pairs / dist.get_world_size()), len(views.image()))

    def add_views(self, views: Views) -> None:
        n = self.pairs_of(views)

        def concat() -> Tensor:  # along the height, as in the code
            return torch.cat([views.image('image')[:n], views.image('paired')[:n]], dim=2)

        either = torch.maximum(views.labels('image')[:n], views.labels('paired')[:n])
        views.add('concat', concat, labels=either, num_pairs=n)
        views.expect('image', 'concat')
        if self.target == 'both':
            views.expect('paired', rows=n)

    def loss(self, views: Views) -> dict[str, Tensor]:
        n = self.pairs_of(views)
        halves, labels = [views['image'].cam[:n]], views.labels('image')[:n]
        if self.target == 'both':
            halves.append(views('paired', rows=n).cam)
            labels = views.labels('concat')
        target = torch.cat(halves, dim=2)
        synthetic = views['concat'].cam
        height, width = halves[0].shape[-2:]
        if synthetic.shape[-2:] != (2 * height, width):  # a crop that the stride does not divide
            synthetic = F.interpolate(
                synthetic, (2 * height, width), mode='bilinear', align_corners=False)
        synthetic = synthetic[:, :, :target.shape[2]]
        if self.detach:
            target = target.detach()
        return dict(loss_kt=knowledge_transfer_loss(target, synthetic, labels, self.margin))


@MODELS.register_module()
class SelfSupervisedRegularization(WSSSModule):
    """SSR (sec. 3.3): the confident part of the refined CAM supervises the pixel scores
    (intra-class) and the two best classes of a foreground pixel are driven apart (inter-class).

    Needs a head with a background score. If :class:`SimulatedInterImageErasing` makes the view
    ``concat``, that one is supervised as well, by the labels of its two images.

    Args:
        high: Background score above which a foreground pixel is confident (eq. 4).
        low: Background score that no CAM reaches at a confident background pixel.
        relu_cam: Drop negative evidence before a CAM is divided by its maximum (eq. 1 and 4). The
            code does not: 10 to 23 % of the pixels get another label, in one case .62/.16/.22
            background/foreground/ignored against .45/.22/.32 with the ReLU.
        refiner: Config of the refinement of the scores; None: off.
        truncate: Cut the colours off to whole levels 0..255 before the refinement (code).
        fg_weight: Weight of the cross entropy on confident foreground (eq. 5); background has 1.
        complex_fg: Use the foreground of images with more than one class (paper); the code does
            only on ``concat``.
        inter_weight: Weight of the inter-class loss (eq. 7), on images with more than one class.
        inter_threshold: Foreground response from which on a pixel counts there.
        inter_detach: No gradient through the best score (code).
        relu_logits: ReLU of the scores in eq. 5 to 7 (code; the paper has none). A background
            channel that is negative everywhere when the module begins then has no gradient
            (``loss_intra`` stays at ``ln(C + 1)``): seen from scratch, not from ImageNet.
        teacher: Network whose CAM gives the labels: ``'student'`` (paper and code), ``'teacher'``
            (EMA weights; labels that follow the CAM slowly, or not at all) or ``'frozen'``.
        weight, begin, ramp, by_epoch, name: See :class:`WSSSModule`; code: ``begin=10``.

    Raises:
        ValueError: Not ``0 <= low <= high <= 1``, or the head has no background score.
    """

    prefix = 'ssr'

    def __init__(self,
                 high: float = 0.30,
                 low: float = 0.15,
                 relu_cam: bool = False,
                 refiner: dict | None = dict(type='PAR'),  # noqa: B006
                 truncate: bool = True,
                 fg_weight: float = 0.0125,
                 complex_fg: bool = False,
                 inter_weight: float = 0.005,
                 inter_threshold: float = 0.2,
                 inter_detach: bool = True,
                 relu_logits: bool = True,
                 teacher: str = 'student',
                 **kwargs):
        super().__init__(**kwargs)
        if not 0 <= low <= high <= 1:
            raise ValueError(
                f'SelfSupervisedRegularization: low={low} and high={high} must satisfy '
                '0 <= low <= high <= 1')
        self.high = high
        self.low = low
        self.relu_cam = relu_cam
        self.refiner = None if refiner is None else MODELS.build(refiner)
        self.truncate = truncate
        self.fg_weight = fg_weight
        self.complex_fg = complex_fg
        self.inter_weight = inter_weight
        self.inter_threshold = inter_threshold
        self.inter_detach = inter_detach
        self.relu_logits = relu_logits
        self.teacher = teacher
        self.networks = (teacher, )

    def check(self, model: nn.Module) -> None:
        self.need_background(model)
        if self.truncate:
            for name in ('mean', 'std'):  # what the images were normalised with
                self.register_buffer(
                    name, getattr(model.data_preprocessor, name).clone(), persistent=False)

    def add_views(self, views: Views) -> None:
        views.expect('image')

    def confident(self, cam: Tensor, labels: Tensor, image: Tensor) -> Tensor:
        """Confident labels ``(N, H, W)`` of a raw CAM, its image labels and normalised images."""
        if self.truncate:  # to levels 0..255, cut off as a conversion to uint8 does
            image = (image * self.std + self.mean).clamp(0, 255).floor()
        return refiners.confident_labels(
            cam.detach(), labels, self.high, self.low, self.refiner, image, relu=self.relu_cam)

    def scores(self, views: Views, name: str) -> Tensor:
        """Raw scores of a view that are supervised, ``(N, C + 1, h, w)``, background first."""
        return views[name].scores

    def pixel_logits(self, views: Views, name: str) -> Tensor:
        """Scores of a view at the size of its image, ``(N, C + 1, H, W)``, background first."""
        logits = self.scores(views, name)
        if self.relu_logits:
            logits = F.relu(logits)
        return F.interpolate(
            logits, views.image(name).shape[-2:], mode='bilinear', align_corners=False)

    @torch.no_grad()
    def pseudo_labels(self, views: Views) -> tuple[Tensor, Tensor | None]:
        """Confident labels of ``image``, and of ``concat`` if there is such a view."""
        cam, labels = views('image', self.teacher, grad=False).cam, views.cpu_labels()
        image, size = views.image(), len(cam)
        n = len(views.labels('concat')) if 'concat' in views else 0
        if n:
            cam = torch.cat([cam, views('paired', self.teacher, grad=False, rows=n).cam])
            labels = torch.cat([labels, views.cpu_labels('paired')[:n]])
            image = torch.cat([image, views.image('paired')[:n]])
        pseudo = self.confident(cam, labels, image)
        if not n:
            return pseudo, None
        return pseudo[:size], torch.cat([pseudo[:n], pseudo[size:]], dim=1)

    def loss(self, views: Views) -> dict[str, Tensor]:
        pseudo, pseudo_concat = self.pseudo_labels(views)
        labels = views.labels('image')
        logits = self.pixel_logits(views, 'image')
        simple = labels.sum(1) == 1
        losses = dict(
            loss_intra=confident_ce_loss(logits, pseudo, self.fg_weight,
                                         None if self.complex_fg else simple))
        if self.inter_weight:
            mask = (image_response(views) > self.inter_threshold) & ~simple[:, None, None, None]
            losses['loss_inter'] = self.inter_weight * inter_class_loss(
                logits[:, 1:], mask, self.inter_detach)
        if pseudo_concat is not None:
            losses['loss_intra_concat'] = confident_ce_loss(
                self.pixel_logits(views, 'concat'), pseudo_concat, self.fg_weight)
        return losses


@MODELS.register_module()
class MultiGranularityAlignment(WSSSModule):
    """MGA (sec. 3.4): the CAM of the image and of its erased copy agree in how much of a class
    they see (global) and the anchor activates what the erased copy finds (local).

    Makes the view ``erased``.

    Args:
        threshold: Foreground response from which on a pixel is erased (eq. 1).
        global_weight: Weight of eq. 8.
        local_weight: Weight of eq. 9.
        margin: Tolerated difference in eq. 9 (code .05, paper 0).
        restrict: Compare only what was not erased (code; not in the paper).
        detach: No gradient into the target, which is the anchor in eq. 8 and the erased image in
            eq. 9 (neither paper nor code). With average pooling eq. 8 else weakens the anchor
            without limit: the classification loss never has a larger gradient on its logit.
        weight, begin, ramp, by_epoch, name: See :class:`WSSSModule`; code: ``begin=10``.
    """

    prefix = 'mga'

    def __init__(self,
                 threshold: float = 0.6,
                 global_weight: float = 1.,
                 local_weight: float = 1.,
                 margin: float = 0.05,
                 restrict: bool = True,
                 detach: bool = False,
                 **kwargs):
        super().__init__(**kwargs)
        self.threshold = threshold
        self.detach = detach
        self.global_weight = global_weight
        self.local_weight = local_weight
        self.margin = margin
        self.restrict = restrict

    def add_views(self, views: Views) -> None:
        add_erased_view(views, self.threshold)

    def loss(self, views: Views) -> dict[str, Tensor]:
        anchor, erased, labels = views['image'].cam, views['erased'].cam, views.labels('image')
        losses = {}
        if self.global_weight:
            target = anchor.detach() if self.detach else anchor
            losses['loss_global'] = self.global_weight * global_alignment_loss(
                target, erased, labels)
        if self.local_weight:
            valid = None
            if self.restrict:
                response = foreground_response(anchor.detach(), views.cpu_labels('image'))
                valid = (response < self.threshold).to(anchor)
            target = erased.detach() if self.detach else erased
            losses['loss_local'] = self.local_weight * local_alignment_loss(
                anchor, target, labels, valid, self.margin)
        return losses
