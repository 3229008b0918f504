"""Multi-scale CAM inference, one function for hook, tool and API."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def scaled_size(size: Sequence[int], scale: float) -> tuple:
    """Size of an image at a scale, at least one pixel."""
    return tuple(max(int(round(side * scale)), 1) for side in size)


@torch.no_grad()
def multi_scale_cam(model: nn.Module,
                    images: Tensor,
                    labels: Tensor,
                    scales: Sequence[float] = (0.5, 1., 1.5, 2.),
                    flip: bool = True,
                    size: Sequence[int] | None = None,
                    relu: str = 'each',
                    norm: str = 'max',
                    antialias: bool = True,
                    eps: float = 1e-5,
                    background: bool = False) -> Tensor | tuple[Tensor, Tensor | None]:
    """CAMs of a batch, aggregated over scales and the horizontal flip.

    Per scale the batch and its mirror image go through the network as one batch; each raw CAM is
    brought to ``size`` bilinearly, passed through a ReLU, filtered by the label, mirrored back, and
    summed; the sum is divided by its maximum per class.

    Args:
        model: Has ``predict_cam(images) -> (N, C, h, w)`` raw CAM; or, where ``own_background`` is
            true, ``predict_scores(images, flip) -> (N, C + 1, h, w)``, background first, which
            joins image and mirror image itself (SIPE). The background is then one more map.
        images: Normalised images of one size, ``(N, 3, H, W)``.
        labels: Multi-hot ``(N, C)``; the CAM of an absent class is 0.
        scales: Factors of the input size (bicubic, as Pillow's, which the originals use).
        flip: Also use the mirror image.
        size: Size of the result; the input's by default.
        relu: ``'each'``: every CAM before summing (AEFT, KTSE inference); ``'flip'``: after the sum
            of an image and its mirror image (the CAMs of IRN's refinement in KTSE).
        norm: ``'max'`` or ``'minmax'`` (SEAM, EADER, MCTformer) over each class map.
        antialias: Low-pass before an image is made smaller, as Pillow does. Without it, an image
            at scale .5 differs from the originals' by an RMS of .07 to .18 (.006 with it).
        eps: Guards the division.
        background: Return the model's own background score, too.

    Returns:
        ``(N, C, h, w)`` in [0, 1]; with ``background`` a pair of it and ``(N, 1, h, w)`` in [0, 1],
        or None where the model makes no background.
    """
    own = getattr(model, 'own_background', False)
    if relu not in ('each', 'flip') or norm not in ('max', 'minmax'):
        raise ValueError(f"relu={relu!r} must be 'each' or 'flip', norm={norm!r} 'max' or 'minmax'")
    size = tuple(images.shape[-2:] if size is None else size)
    total = 0
    for scale in scales:
        scaled = images
        if scale != 1:
            scaled = F.interpolate(
                images,
                scaled_size(images.shape[-2:], scale),
                mode='bicubic',
                align_corners=False,
                antialias=antialias)
        if flip:
            scaled = torch.cat([scaled, scaled.flip(-1)])
        cam = (model.predict_scores(scaled, flip) if own else model.predict_cam(scaled)).float()
        cam = F.interpolate(cam, size, mode='bilinear', align_corners=False)
        if relu == 'each':
            cam = cam.relu_()
        if flip and not own:
            straight, mirrored = cam.chunk(2)
            cam = straight + mirrored.flip(-1)
        total = total + cam.relu_()
    labels = F.pad(labels, (1, 0), value=1) if own else labels
    total = total * labels[:, :, None, None].to(total)
    if norm == 'minmax':
        total = F.relu(total - total.amin((-2, -1), keepdim=True) - eps)
    total = total / (total.amax((-2, -1), keepdim=True) + eps)
    score, cams = (total[:, :1], total[:, 1:]) if own else (None, total)
    return (cams, score) if background else cams
