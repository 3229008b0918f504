"""The head of SIPE (CVPR 2022): image-specific prototypes."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mmwsss.registry import MODELS

from ..utils.cam import background_score, normalize_cam
from .base import CAMOutput
from .gap_head import GAPHead


def cam_with_background(cam: Tensor) -> Tensor:
    """Normalise a raw CAM ``(N, C, h, w)`` by its maxima and put ``1 - max_c`` before it.

    Returns:
        ``(N, C + 1, h, w)`` in [0, 1], background first.
    """
    cam = normalize_cam(cam)
    return torch.cat([background_score(cam), cam], dim=1)


def structure_seeds(cam: Tensor,
                    features: Tensor,
                    valid: Tensor | None = None,
                    bg_weight: float = 0.5) -> Tensor:
    """Give each pixel to the class whose map looks most like the pixel's similarity map.

    The likeness is a soft IoU between the map of positive cosine similarities of the pixel to all
    pixels, and each class map.

    Args:
        cam: Normalised maps with background ``(N, K, h, w)``, invalid ones zero.
        features: ``(N, D, h, w)``.
        valid: ``(N, K, h, w)`` (or broadcastable), 0 where a class or pixel takes no part.
        bg_weight: Factor of the background's likeness.

    Returns:
        One-hot seeds ``(N, K, h, w)``; a pixel whose best class is not valid has none.
    """
    f = features.detach().float().flatten(2)
    f = f / (f.norm(dim=1, keepdim=True) + 1e-5)
    similarity = F.relu(f.transpose(1, 2) @ f)
    flat = cam.detach().float().flatten(2)
    inter = flat @ similarity  # (N, K, hw); the similarity is symmetric
    union = similarity.sum(dim=1, keepdim=True) + flat.sum(dim=2, keepdim=True) - inter
    likeness = inter / union
    likeness = torch.cat([likeness[:, :1] * bg_weight, likeness[:, 1:]], dim=1)
    seeds = F.one_hot(likeness.max(dim=1).indices, cam.shape[1]).transpose(1, 2)
    seeds = seeds.to(features).unflatten(2, cam.shape[-2:])
    return seeds if valid is None else seeds * valid


def image_prototypes(features: Tensor, seeds: Tensor) -> Tensor:
    """Mean of the features over the seeds of each class (the mean is over the image, since only
    the direction counts).

    Args:
        features: ``(N, D, h, w)``.
        seeds: ``(N, K, h, w)``.

    Returns:
        ``(N, K, D)``, zero for a class without seeds.
    """
    return torch.einsum('nkhw,ndhw->nkd', seeds, features) / features[0, 0].numel()


def image_specific_cam(features: Tensor, prototypes: Tensor) -> Tensor:
    """Positive cosine similarity of each pixel to each prototype.

    Norms are taken in single precision: in half, the guard 1e-8 is 0, and a class without seeds,
    whose prototype is zero, would give NaN (autocast makes the prototypes half).

    Args:
        features: ``(N, D, h, w)``.
        prototypes: ``(N, K, D)``.

    Returns:
        ``(N, K, h, w)`` in [0, 1].
    """
    cosine = torch.einsum('nkd,ndhw->nkhw', F.normalize(prototypes.float(), dim=2, eps=1e-8),
                          F.normalize(features.float(), dim=1, eps=1e-8))
    return F.relu(cosine)


@MODELS.register_module()
class SIPEHead(GAPHead):
    """A CAM, and the hierarchical feature in which SIPE compares pixels.

    ``extra['hierarchical']`` ``(N, sum(side_channels), h, w)`` joins a 1x1 convolution of every
    stage, each L2-normalised and resized to the third stage. The stages are cut off from the graph:
    it trains only those convolutions. It is in single precision: in half, the norm of a vector
    overflows or the guard of its division vanishes.

    Args:
        num_classes: Foreground classes C.
        in_channels: Channels of the four stages; the last one is classified.
        side_channels: Channels of each in the hierarchical feature.
        infer: What inference gives: ``'prototype'``, the image-specific CAM with its own background
            (SIPE, see :meth:`infer_scores`), or ``'cam'``, that of the classifier.
        bg_weight: Factor of the background when pixels look for their seed class at inference.

    Raises:
        ValueError: Unknown ``infer``.
    """

    def __init__(self,
                 num_classes: int,
                 in_channels: Sequence[int] = (256, 512, 1024, 2048),
                 side_channels: Sequence[int] = (128, 128, 256, 256),
                 infer: str = 'prototype',
                 bg_weight: float = 0.5,
                 **kwargs):
        super().__init__(num_classes, in_channels[-1], **kwargs)
        if infer not in ('prototype', 'cam'):
            raise ValueError(f"SIPEHead: infer={infer!r} must be 'prototype' or 'cam'")
        self.infer = infer
        self.bg_weight = bg_weight
        self.sides = nn.ModuleList(
            nn.Conv2d(i, o, 1, bias=False) for i, o in zip(in_channels, side_channels))

    @property
    def own_background(self) -> bool:
        """Whether inference scores the background itself, by :meth:`infer_scores`."""
        return self.infer == 'prototype'

    def forward(self, feats: Sequence[Tensor]) -> CAMOutput:
        output = super().forward(feats)
        sides = [conv(x.detach()).float() for conv, x in zip(self.sides, feats)]
        size = feats[2].shape[-2:]
        output.extra['hierarchical'] = torch.cat([
            F.interpolate(side / (side.norm(dim=1, keepdim=True) + 1e-5), size, mode='bilinear',
                          align_corners=False) for side in sides], dim=1)
        return output

    def infer_cam(self, output: CAMOutput) -> Tensor:
        """The image-specific CAM of the classes ``(N, C, h, w)``, or the classifier's."""
        return self.infer_scores(output, flip=False)[:, 1:] if self.own_background else output.cam

    def infer_scores(self, output: CAMOutput, flip: bool) -> Tensor:
        """The image-specific CAM with that of the background, at one scale.

        Raw CAM and hierarchical feature of an image and its mirror image are summed first; seeds
        and prototypes are made of the sums, the seeds, too, in the hierarchical feature. The map of
        a class does not depend on which others are in the image, so no label is needed.

        Args:
            output: Of N images, with ``flip`` followed by their N mirror images.
            flip: See ``output``.

        Returns:
            ``(N, C + 1, h, w)`` in [0, 1], background first.
        """
        cam, features = output.cam.float(), output.extra['hierarchical']
        if flip:
            cam, features = (straight + mirrored.flip(-1)
                             for straight, mirrored in (cam.chunk(2), features.chunk(2)))
        cam = F.interpolate(cam_with_background(cam), features.shape[-2:], mode='bilinear',
                            align_corners=True)
        seeds = structure_seeds(cam, features, bg_weight=self.bg_weight)
        return image_specific_cam(features, image_prototypes(features, seeds))
