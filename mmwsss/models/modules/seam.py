"""SEAM: Self-supervised Equivariant Attention (Wang et al., CVPR 2020).

An image and its reduced copy must have the same CAM, directly (ER) and each through the pixel
correlation of the other (ECR). Facts from the released code.
"""


import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mmwsss.registry import MODELS

from ..classifiers.views import Views
from ..heads.pcm import resize_aligned
from ..heads.seam_head import keep_best
from ..utils.cam import normalize_cam
from .reduced_view import ReducedViewModule


# -- equations -------------------------------------------------------------------------------------
def equivariance_loss(first: Tensor, second: Tensor, labels: Tensor) -> Tensor:
    """ER: ``mean |first y - second y|`` over all classes and pixels.

    Args:
        first: Normalised CAM of the image at the size of ``second``, ``(N, C, h, w)``.
        second: Normalised CAM of the reduced image.
        labels: ``(N, C)``.

    Returns:
        A scalar.
    """
    return ((first - second) * labels[:, :, None, None]).abs().mean()


def cross_equivariance_loss(cam: Tensor,
                            revised: Tensor,
                            labels: Tensor,
                            fraction: float = 0.2) -> Tensor:
    """ECR in one direction: the CAM of one view teaches the revised CAM of the other.

    Args:
        cam: Normalised CAM ``(N, C, h, w)`` of the one; it gets no gradient.
        revised: Normalised revised CAM ``(N, C + 1, h, w)`` of the other, background first.
        labels: ``(N, C)``.
        fraction: Only the largest differences of each image count, over pixels and channels.

    Returns:
        A scalar, their mean.
    """
    labels = labels[:, :, None, None]
    target = keep_best(cam.detach() * labels)
    present = torch.cat([torch.ones_like(labels[:, :1]), labels], dim=1)
    difference = (target - revised * present).abs().flatten(1)
    return difference.topk(max(int(difference.shape[1] * fraction), 1), dim=1).values.mean()


def min_pooling_loss(revised: Tensor, labels: Tensor, fraction: float = 0.25) -> Tensor:
    """Mean of the smallest foreground: the least active part of an image should be background.

    The authors note that it moves the best background threshold and not the best result.

    Args:
        revised: Revised class maps ``(N, C, h, w)``.
        labels: ``(N, C)``.
        fraction: Part of the pixels of each image that counts.

    Returns:
        A scalar.
    """
    foreground = (revised * labels[:, :, None, None]).amax(dim=1).flatten(1)
    count = max(int(foreground.shape[1] * fraction), 1)
    return F.relu(foreground.topk(count, dim=1, largest=False).values).mean()


# -- module ----------------------------------------------------------------------------------------
@MODELS.register_module()
class SelfSupervisedEquivariantAttention(ReducedViewModule):
    """SEAM. Needs a :class:`SEAMHead`; makes a reduced view.

    The classification loss of the reduced view is the classifier's affair: SEAM's mean over both
    is ``cls_views=('image', 'x0.3'), cls_weight=0.5`` in the model.

    The maps of both views are brought to the size of their images (unless the head says
    ``full_size=False``), normalised, and those of the image reduced to the other size.

    Args:
        scale, size: The reduced view, see :class:`ReducedViewModule`; SEAM ``scale=0.3``, PPC
            ``size=128``.
        er_weight, ecr_weight, min_weight: Weights of the three terms.
        fraction: Part of the differences that ECR mines.
        weight, begin, ramp, by_epoch, name: See :class:`WSSSModule`.

    Raises:
        ValueError: Not exactly one of ``scale`` and ``size``, or the head is no ``SEAMHead``.
    """

    prefix = 'seam'

    def __init__(self,
                 er_weight: float = 1.,
                 ecr_weight: float = 1.,
                 min_weight: float = 1.,
                 fraction: float = 0.2,
                 **kwargs):
        super().__init__(**kwargs)
        self.er_weight = er_weight
        self.ecr_weight = ecr_weight
        self.min_weight = min_weight
        self.fraction = fraction
        self.full_size = True  # what the head says

    def check(self, model: nn.Module) -> None:
        self.need_revised(model)
        self.full_size = model.head.full_size

    def loss(self, views: Views) -> dict[str, Tensor]:
        labels = views.labels('image')
        names = self.names(views)
        outputs = [views[name] for name in names]
        maps = [output.cam.float() for output in outputs]
        revised = [output.extra['cam_rv'].float() for output in outputs]
        if self.full_size:
            sizes = [views.image(name).shape[-2:] for name in names]
            maps = [resize_aligned(x, size) for x, size in zip(maps, sizes)]
            revised = [resize_aligned(x, size) for x, size in zip(revised, sizes)]
        size = maps[1].shape[-2:]
        cam1, cam2 = (normalized(x, size) for x in maps)
        rv1, rv2 = (normalized(x, size) for x in revised)
        return dict(
            loss_er=self.er_weight * equivariance_loss(cam1, cam2, labels),
            loss_ecr=self.ecr_weight * (
                cross_equivariance_loss(cam2, rv1, labels, self.fraction)
                + cross_equivariance_loss(cam1, rv2, labels, self.fraction)),
            loss_min=self.min_weight * torch.stack(
                [min_pooling_loss(x[:, 1:], labels) for x in revised]).mean())


def normalized(maps: Tensor, size: tuple) -> Tensor:
    """Maps normalised by SEAM's N(), then resized to ``size``."""
    return resize_aligned(normalize_cam(maps, mode='minmax'), size)
