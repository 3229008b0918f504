"""AEFT: Adversarial Erasing Framework via Triplet (Yoon et al., ECCV 2022, KAIST).

The erased image attracts and an image of other classes repels, in the space of the gated pyramid
pooling's map. Facts from the released code; the paper's text was not at hand.
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from mmengine import dist
from torch import Tensor, nn

from mmwsss.registry import MODELS

from ..classifiers.views import Views
from ..utils.cam import normalize_cam
from ..utils.erasing import foreground_response
from ..utils.reductions import masked_mean, rank_mean
from .base import WSSSModule
from .ktse import global_alignment_loss


def region_features(pooled: Tensor, cam: Tensor, labels: Tensor,
                    thresholds: Sequence[float]) -> list[Tensor]:
    """Mean of the max-normalised pooled map where the normalised CAM is below each threshold.

    Args:
        pooled: Pooled map ``(N, C, h, w)``.
        cam: Raw CAM ``(N, C, h, w)``.
        labels: ``(N, C)``.
        thresholds: Each in (0, 1]; 1 is the whole image, since normalised activations are below.

    Returns:
        For each threshold ``(N, C)``, 0 for absent classes.
    """
    feature = pooled / (pooled.abs().amax((-2, -1), keepdim=True) + 1e-5)
    response = normalize_cam(cam.detach(), mode='minmax')
    regions = [(response < threshold).to(feature) for threshold in thresholds]
    return [
        (feature * region).sum((-2, -1)) / (region.sum((-2, -1)) + 1e-5) * labels
        for region in regions
    ]


def disjoint_partners(labels: Tensor) -> tuple[Tensor, Tensor]:
    """A random image of the batch that shares no class, and whether there is one, both ``(N,)``.

    Drawn anew for each image, as the original, which shuffles its list of candidates. The original
    drops the entries without a partner from its index list, which then no longer lines up with the
    anchors; a fixed-length list with a validity mask does.
    """
    disjoint = (labels @ labels.T) == 0
    order = torch.rand(disjoint.shape, device=labels.device).masked_fill(~disjoint, -1)
    return order.argmax(1), disjoint.any(1)


def repulse_loss(anchor: Tensor,
                 negative: Tensor,
                 valid: Tensor,
                 margin: float = 0.5,
                 min_pairs: int = 4) -> Tensor:
    """``mean relu(margin - d)`` over the pairs with ``d = sum_c (a - n)^2 < margin``.

    Args:
        anchor: ``(N, C)``.
        negative: ``(N, C)``.
        valid: ``(N,)``, pairs to use.
        margin: Distance from which on a pair is far enough.
        min_pairs: Only with more than so many pairs over all ranks; otherwise 0.

    Returns:
        A scalar.
    """
    distance = (anchor - negative).square().sum(1)
    near = valid & (distance < margin)
    return masked_mean(F.relu(margin - distance), near) * (
        rank_mean(near.sum()) * dist.get_world_size() > min_pairs)


@MODELS.register_module()
class AdversarialErasingTriplet(WSSSModule):
    """AEFT; with ``repulse_weight=0``, the row "soft GPP feature alignment" of KTSE's table 7.

    Needs a :class:`GPPHead`. The released code classifies only the first 8 images of a batch, also
    when it has 32: ``cls_images=8`` in the model. Makes the view ``erased_soft``: the image times
    ``[R < threshold] R``, R its foreground response, so that the background darkens as well and
    gradient flows into the CAM.

    Args:
        threshold: Response from which on a pixel is erased.
        attract_weight, repulse_weight: Weights of the two terms.
        region_threshold: Part of the anchor's map that is compared (code .2).
        margin: See :func:`repulse_loss`.
        weight, begin, ramp, by_epoch, name: See :class:`WSSSModule`; code: ``begin=18``.

    Raises:
        ValueError: The head does no gated pyramid pooling.
    """

    prefix = 'aeft'

    def __init__(self,
                 threshold: float = 0.6,
                 attract_weight: float = 0.2,
                 repulse_weight: float = 0.15,
                 region_threshold: float = 0.2,
                 margin: float = 0.5,
                 **kwargs):
        super().__init__(**kwargs)
        self.threshold = threshold
        self.attract_weight = attract_weight
        self.repulse_weight = repulse_weight
        self.region_threshold = region_threshold
        self.margin = margin

    def check(self, model: nn.Module) -> None:
        self.need(hasattr(model.head, 'gpp'), model, 'the map of gated pyramid pooling',
                  "set head=dict(type='GPPHead', ...)")

    def add_views(self, views: Views) -> None:
        def erase() -> Tensor:
            image = views.image('image')
            response = foreground_response(
                views['image'].cam, views.cpu_labels('image'), image.shape[-2:])
            return image * response * (response < self.threshold)

        views.add('erased_soft', erase, after=('image', ), threshold=self.threshold)
        views.expect('image', 'erased_soft')

    def loss(self, views: Views) -> dict[str, Tensor]:
        labels = views.labels('image')
        pooled = views['image'].extra['pooled_map']
        losses = {}
        if self.attract_weight:  # eq. 8 of KTSE, which comes from here, on pooled maps for CAMs
            losses['loss_attract'] = self.attract_weight * global_alignment_loss(
                pooled, views['erased_soft'].extra['pooled_map'], labels)
        if self.repulse_weight:
            anchor, whole = region_features(
                pooled, views['image'].cam, labels, (self.region_threshold, 1.))
            partner, valid = disjoint_partners(labels)
            losses['loss_repulse'] = self.repulse_weight * repulse_loss(
                anchor, whole[partner], valid, self.margin)
        return losses
