"""PPC: Pixel-to-Prototype Contrast (Du et al., CVPR 2022).

Pixels of two views are pulled to the prototypes of their classes, which the confident pixels of the
whole batch make: prototypes of the other view, labels of the other view, and, within a view,
against semi-hard negatives. Facts from the released code (SEAM: branch master; EPS: branch esp).
"""


import torch
import torch.nn.functional as F
from mmengine import dist
from torch import Tensor, nn

from mmwsss.registry import MODELS

from ..classifiers.views import Views
from ..heads.pcm import resize_aligned
from ..utils.cam import normalize_cam
from ..utils.reductions import rank_mean
from .reduced_view import ReducedViewModule


# -- equations -------------------------------------------------------------------------------------
def pixel_pseudo_labels(revised: Tensor, labels: Tensor,
                        bg_score: float) -> tuple[Tensor, Tensor]:
    """Normalised scores of a view and the class of each of its pixels.

    Args:
        revised: Revised CAM ``(N, C + 1, h, w)``, background first; its background is not used.
        labels: Multi-hot ``(N, C)``.
        bg_score: Constant that stands for the background.

    Returns:
        Scores ``(N, C + 1, h, w)`` in [0, 1], of absent classes too, and labels ``(N, h, w)`` with
        0 the background.
    """
    scores = normalize_cam(revised[:, 1:].float(), mode='minmax')
    scores = torch.cat([torch.full_like(scores[:, :1], bg_score), scores], dim=1)
    present = F.pad(labels, (1, 0), value=1.)[:, :, None, None]
    return scores, (scores * present).max(dim=1).indices


def batch_prototypes(features: Tensor, scores: Tensor, top: int) -> Tensor:
    """Prototype of each class: mean of its ``top`` best pixels of the batch, weighted by the score.

    All background scores are equal and the original takes any ``top`` pixels; here those with the
    least foreground go first. A class takes part whether or not an image has its label.

    Args:
        features: ``(M, D)``, the pixels of the whole batch.
        scores: ``(M, C + 1)`` in [0, 1], background first.
        top: Pixels per class.

    Returns:
        L2-normalised ``(C + 1, D)``, without gradient; zero for a class without any response.
    """
    features, scores = features.detach(), scores.detach()
    order = torch.cat([1 - scores[:, 1:].amax(dim=1, keepdim=True), scores[:, 1:]], dim=1)
    index = order.topk(min(top, len(order)), dim=0).indices.T  # (C + 1, top)
    weights = scores.T.gather(1, index)
    total = weights.sum(dim=1, keepdim=True).clamp(min=1e-5)
    return F.normalize(torch.einsum('kt,ktd->kd', weights / total, features[index]), dim=1)


def prototype_contrast_loss(features: Tensor,
                            prototypes: Tensor,
                            labels: Tensor,
                            temperature: float = 0.1) -> Tensor:
    """InfoNCE of pixels against prototypes, ``mean -log softmax(f P^T / T)[label]``.

    Args:
        features: L2-normalised ``(M, D)``.
        prototypes: L2-normalised ``(K, D)``.
        labels: ``(M,)`` in ``0..K-1``.
        temperature: T.

    Returns:
        A scalar.
    """
    return F.cross_entropy(features @ prototypes.T / temperature, labels)


def intra_view_loss(features: Tensor,
                    prototypes: Tensor,
                    labels: Tensor,
                    temperature: float = 0.1,
                    negatives: tuple[int, int] = (3, 13),
                    chance: Tensor | None = None) -> Tensor:
    """Contrast within a view, with semi-hard prototypes and semi-hard pixels.

    A pixel's negatives are the prototypes at ranks ``negatives`` of its similarities (from 0, the
    last not included). Of the ``n`` pixels of a class, a random ``n // 2`` count, and as many of
    the least similar, those that end at 60 percent; one in both counts twice. Mean per class, then
    over the classes that some pixel has (a single pixel gives 0). Pixels are ranked among those of
    all processes, so two processes give what one gives with their batches joined.

    Args:
        features: L2-normalised ``(M, D)``.
        prototypes: L2-normalised ``(K, D)``.
        labels: ``(M,)`` in ``0..K-1``.
        temperature: T.
        negatives: Ranks; with fewer than 13 classes, what there is of them, and the last at least.
        chance: Random numbers ``(M,)`` that choose the random half; drawn if not given.

    Returns:
        A scalar.
    """
    count = len(prototypes)
    similarity = (features @ prototypes.T).float()  # bfloat16 cannot count beyond 256
    positive = similarity.gather(1, labels[:, None])[:, 0]
    ranked = similarity.sort(dim=1, descending=True).values / temperature
    first = min(negatives[0], count - 1)
    others = ranked[:, first:max(negatives[1], first + 1)]
    positive_logit = positive[:, None] / temperature
    pixel_loss = torch.cat([positive_logit, others], dim=1).logsumexp(dim=1) - positive_logit[:, 0]

    chance = torch.rand_like(positive) if chance is None else chance
    everyone = _all_ranks(labels)
    # Not bincount, which would wait for the GPU.
    size = labels.new_zeros(count).index_add(0, everyone, torch.ones_like(everyone))
    mine = slice(dist.get_rank() * len(labels), (dist.get_rank() + 1) * len(labels))
    by_chance, by_similarity = (
        rank_in_class(_all_ranks(values), everyone, size)[mine] for values in (chance, positive))
    of_pixel = size[labels]
    half, last = of_pixel // 2, of_pixel * 6 // 10
    weight = (by_chance < half).to(pixel_loss)
    weight += (by_similarity >= last - half) & (by_similarity < last)

    def per_class(values):
        return values.new_zeros(count).index_add(0, labels, values)

    # Counts are means over the ranks, so that these add up to the mean over the whole batch.
    weights = rank_mean(per_class(weight))
    means = per_class(weight * pixel_loss) / weights.clamp(min=1e-6)
    return means.sum() / (size > 0).sum()


def rank_in_class(values: Tensor, labels: Tensor, size: Tensor) -> Tensor:
    """Rank of each value, ascending from 0, among those of equal label.

    Args:
        values: ``(M,)``.
        labels: ``(M,)``.
        size: Number of each label, ``(K,)``.

    Returns:
        int64 ``(M,)``.
    """
    order = values.argsort(stable=True)
    order = order[labels[order].argsort(stable=True)]
    start = size.cumsum(0) - size
    rank = torch.empty_like(labels)
    rank[order] = torch.arange(len(labels), device=labels.device) - start[labels[order]]
    return rank


# -- module ----------------------------------------------------------------------------------------
@MODELS.register_module()
class PixelToPrototypeContrast(ReducedViewModule):
    """PPC on SEAM's head: three contrast terms between an image and its reduced copy.

    Pixels are compared in a projection of the feature map that the head classifies, after its
    dropout (.5 on SEAM, none with EPS).

    Args:
        in_channels: Channels of the last feature map.
        proj_channels: Channels of the projection in which pixels are compared.
        bg_score: Background score of the pseudo labels (.10 with EPS, .20 with SEAM).
        top_fraction: Pixels of an image's map whose number makes a prototype (1/16 with EPS,
            1/8 with SEAM; of 16x16 that is 16 and 32 of the whole batch).
        temperature: T.
        cross_prototype, cross_label, intra: Weights of the three terms.
        negatives: See :func:`intra_view_loss`.
        scale, size: The reduced view, see :class:`ReducedViewModule`; PPC ``size=128``.
        weight, begin, ramp, by_epoch, name: See :class:`WSSSModule`.

    Raises:
        ValueError: Not exactly one of ``scale`` and ``size``, or the head is no ``SEAMHead``.
    """

    prefix = 'ppc'

    def __init__(self,
                 in_channels: int = 4096,
                 proj_channels: int = 128,
                 bg_score: float = 0.1,
                 top_fraction: float = 1 / 16,
                 temperature: float = 0.1,
                 cross_prototype: float = 0.1,
                 cross_label: float = 0.1,
                 intra: float = 0.1,
                 negatives: tuple[int, int] = (3, 13),
                 **kwargs):
        super().__init__(**kwargs)
        if not 0 < top_fraction <= 1:
            raise ValueError(
                f'PixelToPrototypeContrast: top_fraction={top_fraction} must be in (0, 1]')
        self.projection = nn.Conv2d(in_channels, proj_channels, 1, bias=False)
        nn.init.xavier_uniform_(self.projection.weight)
        self.bg_score = bg_score
        self.top_fraction = top_fraction
        self.temperature = temperature
        self.cross_prototype = cross_prototype
        self.cross_label = cross_label
        self.intra = intra
        self.negatives = tuple(negatives)

    def check(self, model: nn.Module) -> None:
        self.need_revised(model)
        if model.head.in_channels != self.projection.in_channels:
            raise ValueError(
                f'PixelToPrototypeContrast: in_channels={self.projection.in_channels}, but the '
                f'last feature map has {model.head.in_channels} channels')

    def loss(self, views: Views) -> dict[str, Tensor]:
        labels = views.labels('image')
        outputs = [views[name] for name in self.names(views)]
        size = outputs[1].cam.shape[-2:]
        features, pseudo, prototypes = [], [], []
        for output in outputs:
            projected = F.relu(self.projection(output.extra['dropped']))
            pixels = _pixels(resize_aligned(projected.float(), size))
            scores, classes = pixel_pseudo_labels(
                resize_aligned(output.extra['cam_rv'].detach(), size), labels, self.bg_score)
            top = max(int(size[0] * size[1] * self.top_fraction), 1)
            prototypes.append(
                batch_prototypes(_all_ranks(pixels), _all_ranks(_pixels(scores)), top))
            features.append(F.normalize(pixels, dim=1))
            pseudo.append(classes.flatten())

        def contrast(of_prototypes, of_labels):
            terms = [
                prototype_contrast_loss(features[i], prototypes[of_prototypes[i]],
                                        pseudo[of_labels[i]], self.temperature) for i in (0, 1)
            ]
            return torch.stack(terms).mean()

        intra = [
            intra_view_loss(features[i], prototypes[i], pseudo[i], self.temperature,
                            self.negatives) for i in (0, 1)
        ]
        return dict(
            loss_cross_prototype=self.cross_prototype * contrast((1, 0), (0, 1)),
            loss_cross_label=self.cross_label * contrast((0, 1), (1, 0)),
            loss_intra=self.intra * torch.stack(intra).mean())


def _pixels(maps: Tensor) -> Tensor:
    """``(N, D, h, w)`` to ``(N h w, D)``."""
    return maps.permute(0, 2, 3, 1).flatten(0, 2)


def _all_ranks(values: Tensor) -> Tensor:
    """The rows of all ranks, without gradient, so that prototypes are those of the whole batch."""
    values = values.detach()
    if dist.get_world_size() == 1:
        return values
    return torch.cat(dist.all_gather(values.contiguous()))
