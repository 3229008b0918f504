"""The small operations that every method does on class activation maps."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F


def normalize_cam(cam: Tensor, mode: str = 'max', eps: float = 1e-5) -> Tensor:
    """Drop negative evidence and scale every map to [0, 1] on its own.

    Args:
        cam: Raw signed CAM ``(N, C, h, w)`` (any leading dimensions).
        mode: ``'max'``: ``r / (max r + eps)``, the common choice; ``'minmax'``:
            ``relu(r - min r - eps) / (max r - min r + eps)``, the N() of KTSE, AEFT and SEAM. ``r``
            is ``relu(cam)``.
        eps: Keeps a map without positive evidence at zero.

    Returns:
        Maps of the same shape in [0, 1].

    Raises:
        ValueError: Unknown ``mode``.
    """
    cam = F.relu(cam)
    high = cam.amax(dim=(-2, -1), keepdim=True)
    if mode == 'max':
        return cam / (high + eps)
    if mode == 'minmax':
        low = cam.amin(dim=(-2, -1), keepdim=True)
        return F.relu(cam - low - eps) / (high - low + eps)
    raise ValueError(f"normalize_cam: mode must be 'max' or 'minmax', got {mode!r}")


def background_score(cam: Tensor, alpha: float = 1.0) -> Tensor:
    """Background where no class is found: ``(1 - max_c cam)^alpha``.

    Args:
        cam: Normalised CAM ``(N, C, h, w)`` in [0, 1], absent classes zero.
        alpha: A larger one gives less background.

    Returns:
        ``(N, 1, h, w)`` in [0, 1].
    """
    return (1 - cam.amax(dim=1, keepdim=True)).clamp(min=0) ** alpha


def cam_to_seed(cam: Tensor, labels: Tensor, bg_score: float | Tensor) -> Tensor:
    """The class of each pixel among the background and the classes of the image.

    Args:
        cam: Normalised CAM ``(N, C, h, w)`` in [0, 1].
        labels: Multi-hot ``(N, C)``; absent classes are never chosen.
        bg_score: Background score, one number or ``(N, 1, h, w)``; it wins a tie.

    Returns:
        int64 ``(N, h, w)``: 0 background, ``1..C`` classes.
    """
    cam = cam.masked_fill(labels[:, :, None, None] <= 0, float('-inf'))
    if isinstance(bg_score, Tensor):
        background = bg_score.to(cam).expand(-1, 1, *cam.shape[-2:])
    else:
        background = torch.full_like(cam[:, :1], bg_score)
    # max is several times as fast as argmax, and takes the first of equals as well.
    return torch.cat([background, cam], dim=1).max(dim=1).indices


def packed_classes(labels: Tensor, device=None) -> tuple[Tensor, Tensor]:
    """The classes of each image, packed to the largest number K of them (at least 1).

    Args:
        labels: Multi-hot ``(N, C)``. Labels on a GPU are waited for, those on the CPU are not.
        device: Of the result.

    Returns:
        Class indices, int64 ``(N, K)``, those that are present first and in order; and which of
        them are, bool ``(N, K)``.
    """
    present = labels > 0
    count = max(int(present.sum(1).max()), 1)
    classes = present.int().argsort(dim=1, descending=True, stable=True)[:, :count]
    present = present.gather(1, classes)
    return classes.to(device, non_blocking=True), present.to(device, non_blocking=True)


def resize_maps(maps: Tensor, size: Sequence[int]) -> Tensor:
    """Maps ``(C, h, w)`` or ``(N, C, h, w)`` at ``size``, bilinear without aligned corners; those
    that have it as they are."""
    if tuple(maps.shape[-2:]) == tuple(size):
        return maps
    batch = maps if maps.ndim == 4 else maps[None]
    batch = F.interpolate(batch, tuple(size), mode='bilinear', align_corners=False)
    return batch if maps.ndim == 4 else batch[0]


def resize_cam(cam: np.ndarray | Tensor, size: tuple[int, int]) -> Tensor:
    """Bring a CAM ``(K, h, w)`` to ``size`` as float32, bilinear without aligned corners.

    A CAM of no class (``K = 0``) stays one.
    """
    cam = torch.as_tensor(cam).float()
    return resize_maps(cam, size) if len(cam) else cam.new_zeros((0, *size))
