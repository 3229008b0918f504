"""SIPE: Self-supervised Image-specific Prototype Exploration (Chen et al., CVPR 2022).

The head makes seeds, prototypes and the image-specific CAM; here is the loss that ties that CAM to
the ordinary one. Facts from the released code.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mmwsss.registry import MODELS

from ..classifiers.views import Views
from ..heads.sipe_head import (
    SIPEHead,
    cam_with_background,
    image_prototypes,
    image_specific_cam,
    structure_seeds,
)
from .base import WSSSModule


def general_specific_loss(general: Tensor, specific: Tensor) -> Tensor:
    """GSC: ``mean |general - specific / max specific|`` over all channels and pixels, with
    gradient into both.

    Args:
        general: Normalised CAM with background ``(N, C + 1, h, w)``, absent classes zero.
        specific: Image-specific CAM, likewise.

    Returns:
        A scalar.
    """
    specific = specific.float()
    high = specific.amax(dim=(2, 3), keepdim=True)
    return (general - specific / (high + 1e-5)).abs().mean()


@MODELS.register_module()
class ImageSpecificPrototypes(WSSSModule):
    """SIPE. Needs a :class:`SIPEHead`.

    Args:
        bg_weight: Factor of the background when pixels look for their seed class.
        weight, begin, ramp, by_epoch, name: See :class:`WSSSModule`.

    Raises:
        ValueError: The head is no ``SIPEHead``.
    """

    prefix = 'sipe'

    def __init__(self, bg_weight: float = 0.5, **kwargs):
        super().__init__(**kwargs)
        self.bg_weight = bg_weight

    def check(self, model: nn.Module) -> None:
        self.need(isinstance(model.head, SIPEHead), model, 'the hierarchical feature',
                  "set head=dict(type='SIPEHead', ...)")

    def add_views(self, views: Views) -> None:
        views.expect('image')

    def loss(self, views: Views) -> dict[str, Tensor]:
        output = views['image']
        features = output.extra['hierarchical'].float()
        size = features.shape[-2:]
        valid = F.pad(views.labels('image'), (1, 0), value=1.)[:, :, None, None]
        valid = valid * F.interpolate(views.valid('image'), size, mode='nearest')
        general = F.interpolate(
            cam_with_background(output.cam.float()), size, mode='bilinear',
            align_corners=True) * valid
        with torch.no_grad():
            # In training the pixels are compared in the deepest feature, at inference in the
            # hierarchical one.
            deepest = F.interpolate(
                output.feats[-1].float(), size, mode='bilinear', align_corners=True)
            seeds = structure_seeds(general, deepest, valid, self.bg_weight)
        specific = image_specific_cam(features, image_prototypes(features, seeds))
        return dict(loss_gsc=general_specific_loss(general, specific))
