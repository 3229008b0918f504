"""Erasing of the most discriminative part, found by the CAM."""

from collections.abc import Sequence

import torch.nn.functional as F
from torch import Tensor

from .cam import normalize_cam, packed_classes


def foreground_response(cam: Tensor,
                        labels: Tensor,
                        size: Sequence[int] | None = None) -> Tensor:
    """``max_c N(up(relu(cam)))_c y_c``, the strongest response of any present class (KTSE eq. 1).

    Only maps of present classes are enlarged and normalised.

    Args:
        cam: Raw CAM ``(N, C, h, w)``.
        labels: ``(N, C)``. Labels on a GPU are waited for, those on the CPU are not.
        size: ``(H, W)`` to enlarge the CAM to before normalising; None keeps its resolution.

    Returns:
        ``(N, 1, H, W)`` in [0, 1], with the gradient of ``cam``.
    """
    classes, present = packed_classes(labels, cam.device)
    cam = F.relu(cam.gather(1, classes[:, :, None, None].expand(-1, -1, *cam.shape[-2:])))
    if size is not None:
        cam = F.interpolate(cam, tuple(size), mode='bilinear', align_corners=False)
    cam = normalize_cam(cam, mode='minmax') * present[:, :, None, None]
    return cam.amax(1, keepdim=True)
