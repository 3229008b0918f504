"""Gated pyramid pooling (AEFT, ECCV 2022), the classifier of AEFT and KTSE."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mmwsss.registry import MODELS

from .gap_head import GAPHead


class PyramidGate(nn.Module):
    """Adds two pyramid levels, weighting them per pixel; positive and negative evidence apart.

    Args:
        num_classes: Channels of a level.
    """

    def __init__(self, num_classes: int):
        super().__init__()
        # Output 0 gates the coarser level, 1 the finer one.
        self.positive = nn.Conv2d(2 * num_classes, 2, 3, padding=1, bias=False)
        self.negative = nn.Conv2d(2 * num_classes, 2, 3, padding=1, bias=False)

    @staticmethod
    def _add(conv: nn.Conv2d, coarse: Tensor, fine: Tensor) -> Tensor:
        gate = conv(torch.cat([coarse, fine], dim=1)).sigmoid()
        return (coarse * gate[:, :1] + fine * gate[:, 1:]) / 2

    def forward(self, coarse: Tensor, fine: Tensor) -> Tensor:
        return (self._add(self.positive, F.relu(coarse), F.relu(fine))
                - self._add(self.negative, F.relu(-coarse), F.relu(-fine)))


@MODELS.register_module()
class GatedPyramidPooling(nn.Module):
    """Image logits from a CAM, weighted by what its average pyramid says of each pixel.

    The levels of the pyramid are joined by gates from coarse to fine to one map ``g``; then
    ``logits = GAP(relu(F) relu(g)) - GAP(relu(-F) relu(-g))``: they keep their sign and are
    quadratic in the scale of the CAM ``F``.

    Args:
        num_classes: C.
        scales: Cells per side of each level, coarse to fine; there is one gate less.
    """

    def __init__(self, num_classes: int, scales: Sequence[int] = (2, 4, 8, 16)):
        super().__init__()
        if len(scales) < 2:
            raise ValueError(f'GatedPyramidPooling: scales needs two levels or more, got {scales}')
        self.scales = tuple(scales)
        self.gates = nn.ModuleList(PyramidGate(num_classes) for _ in scales[1:])

    def forward(self, cam: Tensor) -> tuple[Tensor, Tensor]:
        """
        Args:
            cam: Raw signed CAM ``(N, C, h, w)`` of any size.

        Returns:
            Logits ``(N, C)`` and the pooled map ``g`` ``(N, C, h, w)``.
        """
        levels = [
            F.interpolate(F.adaptive_avg_pool2d(cam, scale), cam.shape[-2:], mode='bilinear',
                          align_corners=False) for scale in self.scales
        ]
        pooled = levels[0]
        for gate, level in zip(self.gates, levels[1:]):
            pooled = gate(pooled, level)
        # In single precision, since a product of two half-precision maps may overflow.
        cam, grid = cam.float(), pooled.float()
        logits = F.relu(cam) * F.relu(grid) - F.relu(-cam) * F.relu(-grid)
        return logits.mean(dim=(2, 3)), pooled


@MODELS.register_module()
class GPPHead(GAPHead):
    """CAM through a 256-channel embedding, logits by gated pyramid pooling of the C class maps.

    ``extra`` holds ``embedding`` ``(N, D, h, w)`` and ``pooled_map`` ``(N, C, h, w)``.

    Args:
        num_classes: Foreground classes C.
        in_channels: Channels of the last feature map.
        embed_channels: Width D of the embedding.
        scales: Levels of the pyramid.
        background: Also give a background score (KTSE: yes, AEFT: no). It takes no part in the
            logits and learns from pixel losses only.
        kwargs: Options of :class:`GAPHead`.
    """

    def __init__(self,
                 num_classes: int,
                 in_channels: int,
                 embed_channels: int = 256,
                 scales: Sequence[int] = (2, 4, 8, 16),
                 background: bool = False,
                 **kwargs):
        super().__init__(num_classes, in_channels, embed_channels=embed_channels,
                         background=background, **kwargs)
        self.gpp = GatedPyramidPooling(num_classes, scales)

    def pool(self, cam: Tensor, extra: dict) -> Tensor:
        logits, extra['pooled_map'] = self.gpp(cam)
        return logits
