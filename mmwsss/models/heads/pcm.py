"""Pixel correlation module (SEAM, CVPR 2020)."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F


def correlate(features: Tensor, maps: Tensor, eps: float = 1e-5, block: int = 1024) -> Tensor:
    """Mean of maps over all pixels, weighted by the positive part of their cosine similarity:
    ``out_j = sum_i maps_i a_ij / (sum_i a_ij + eps)``, ``a = relu(f' f)``.

    A row of ones beside the maps gives numerator and denominator by one product, so the
    normalised similarity is never made, and only ``block`` of its columns exist at a time.

    Args:
        features: L2-normalised ``(N, D, M)``.
        maps: ``(N, K, M)``; they get no gradient.
        eps: Guards the division.
        block: Columns of the similarity per product.

    Returns:
        ``(N, K, M)``.
    """
    rows = torch.cat([maps.detach(), torch.ones_like(maps[:, :1])], dim=1).to(features)
    transposed = features.transpose(1, 2)
    sums = torch.cat([
        rows @ F.relu(transposed @ part, inplace=True) for part in features.split(block, dim=2)
    ], dim=2)
    return sums[:, :-1] / (sums[:, -1:] + eps)


class PixelCorrelationModule(nn.Module):
    """Averages a CAM over the pixels of the image that look alike.

    Features and CAM are cut off from the graph: only the three convolutions in here learn from
    what is done with the result.

    Args:
        in_channels: Channels of the two feature maps.
        mid_channels: What each is reduced to.
        out_channels: Channels in which pixels are compared, joined with the image's 3.
    """

    def __init__(self,
                 in_channels: Sequence[int] = (512, 1024),
                 mid_channels: Sequence[int] = (64, 128),
                 out_channels: int = 192):
        super().__init__()
        self.reduce = nn.ModuleList(
            nn.Conv2d(i, m, 1, bias=False) for i, m in zip(in_channels, mid_channels))
        self.join = nn.Conv2d(3 + sum(mid_channels), out_channels, 1, bias=False)
        for conv in self.reduce:
            nn.init.kaiming_normal_(conv.weight)
        nn.init.xavier_uniform_(self.join.weight, gain=4)

    def forward(self, image: Tensor, feats: Sequence[Tensor], cam: Tensor) -> Tensor:
        """
        Args:
            image: Normalised image ``(N, 3, H, W)``, of any size.
            feats: The two feature maps ``(N, Ci, h, w)``.
            cam: Normalised CAM ``(N, K, h', w')``, the background among its channels.

        Returns:
            Revised CAM ``(N, K, h, w)``: each pixel is a mean over all pixels, weighted by the
            positive part of their cosine similarity.
        """
        size = feats[-1].shape[-2:]
        parts = [resize_aligned(image, size)]
        parts += [F.relu(conv(x.detach())) for conv, x in zip(self.reduce, feats)]
        f = self.join(torch.cat(parts, dim=1)).flatten(2)
        f = f / (f.norm(dim=1, keepdim=True) + 1e-5)
        return correlate(f, resize_aligned(cam.detach(), size).flatten(2)).unflatten(2, size)


def resize_aligned(x: Tensor, size: Sequence[int]) -> Tensor:
    """Bilinear with aligned corners, as everywhere in SEAM and PPC; ``(N, K, *size)``."""
    if x.shape[-2:] == tuple(size):
        return x
    return F.interpolate(x, size, mode='bilinear', align_corners=True)
