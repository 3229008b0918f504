"""The head of SEAM (CVPR 2020), also the base of PPC."""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from mmwsss.registry import MODELS

from ..utils.cam import background_score
from .base import CAMOutput
from .gap_head import GAPHead
from .pcm import PixelCorrelationModule, resize_aligned


def keep_best(cam: Tensor) -> Tensor:
    """Normalised CAM ``(N, C, h, w)`` to ``(N, C + 1, h, w)``: the background ``1 - max_c`` first,
    and of the classes only the best of each pixel."""
    best = cam.amax(dim=1, keepdim=True)
    return torch.cat([background_score(cam), cam.masked_fill(cam < best, 0)], dim=1)


def compete(cam: Tensor, eps: float = 1e-5) -> Tensor:
    """What SEAM feeds to its pixel correlation: normalised maps of which the best keeps a pixel.

    Args:
        cam: Raw CAM ``(N, C, h, w)``.
        eps: Subtracted from the positive part and added to its maximum.

    Returns:
        ``(N, C + 1, h, w)``, background first.
    """
    cam = F.relu(cam)
    return keep_best(F.relu(cam - eps) / (cam.amax(dim=(2, 3), keepdim=True) + eps))


def mean_after_resize(cam: Tensor, size: Sequence[int]) -> Tensor:
    """Mean of each map as if resized bilinearly (``align_corners=True``), without resizing it.

    Args:
        cam: ``(N, C, h, w)``.
        size: ``(H, W)``.

    Returns:
        ``(N, C)``.
    """
    rows, columns = (
        F.interpolate(torch.eye(n, device=cam.device)[None], m, mode='linear',
                      align_corners=True)[0].mean(dim=1) for n, m in zip(cam.shape[-2:], size))
    return torch.einsum('nchw,h,w->nc', cam.float(), rows, columns)


@MODELS.register_module()
class SEAMHead(GAPHead):
    """C + 1 score maps and their revision by pixel correlation.

    ``extra['cam_rv']`` is the revised normalised CAM ``(N, C + 1, h, w)``, background first. It is
    made in training, and in evaluation mode where inference uses its class maps. The background
    score gets no gradient from the classification.
    ``extra['dropped']`` ``(N, D, h, w)`` is what is classified, the last feature map after dropout.

    Args:
        num_classes: Foreground classes C.
        in_channels: Channels of the three feature maps (conv4, conv5, conv6 of ResNet38d).
        drop: Channel dropout before the classifier.
        mid_channels: See :class:`PixelCorrelationModule`.
        pcm_channels: Its ``out_channels``.
        infer: What :meth:`infer_cam` gives: ``'revised'``, the revised CAM (SEAM, PPC),
            ``'softmax'``, the probability of the scores (with EPS, which trains the background), or
            ``'cam'``, that of the classifier.
        full_size: Maps are brought to the size of the image (bilinear, corners aligned) before the
            logits average them, before SEAM's losses normalise them, and at inference, as in SEAM
            and in PPC on it; False: they are used as they are, as in PPC with EPS.
    """

    needs_image = True

    def __init__(self,
                 num_classes: int,
                 in_channels: Sequence[int] = (512, 1024, 4096),
                 drop: float = 0.5,
                 mid_channels: Sequence[int] = (64, 128),
                 pcm_channels: int = 192,
                 infer: str = 'revised',
                 full_size: bool = True,
                 **kwargs):
        *low, last = in_channels
        super().__init__(num_classes, last, drop, background=True, **kwargs)
        if infer not in ('revised', 'softmax', 'cam'):
            raise ValueError(f"SEAMHead: infer={infer!r} must be 'revised', 'softmax' or 'cam'")
        self.infer = infer
        self.full_size = full_size
        self.pcm = PixelCorrelationModule(low, mid_channels, pcm_channels)

    def forward(self, feats: Sequence[Tensor], image: Tensor) -> CAMOutput:
        """
        Args:
            feats: Three feature maps of one size.
            image: The normalised image ``(N, 3, H, W)`` they come from.
        """
        dropped = self.dropout(feats[-1])
        output = self.classify(dropped, feats)
        output.extra['dropped'] = dropped
        if self.full_size:
            output.logits = mean_after_resize(output.cam, image.shape[-2:])
        if self.training or self.infer == 'revised':
            output.extra['cam_rv'] = self.pcm(image, feats[:2], compete(output.cam.detach()))
        return output

    def infer_cam(self, output: CAMOutput, image: Tensor) -> Tensor:
        """``(N, C, h, w)``, of the image's size if ``full_size``: revised class maps, probabilities
        of the classes, or their CAM."""
        if self.infer == 'softmax':
            maps = output.scores.softmax(dim=1)[:, 1:]
        else:
            maps = output.cam if self.infer == 'cam' else output.extra['cam_rv'][:, 1:]
        return resize_aligned(maps, image.shape[-2:]) if self.full_size else maps
