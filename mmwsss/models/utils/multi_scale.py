"""Multi-scale CAM inference, one function for hook, tool and API."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

# Scaled pixels that go through the network together; beyond, one image or mirror image at a time.
MAX_PIXELS = 2 ** 21
# Values of the options of these names.
RELU, NORM = ('each', 'flip', 'none'), ('max', 'minmax')
# Default scales.
SCALES = (0.5, 1., 1.5, 2.)
# Default limit of the long side of an image.
MAX_SIDE = 1280


def scaled_size(size: Sequence[int], scale: float) -> tuple:
    """Size of an image at a scale, at least one pixel."""
    return tuple(max(int(round(side * scale)), 1) for side in size)


def limited_size(size: Sequence[int], max_side: int | None) -> tuple:
    """Size of an image whose long side is at most ``max_side`` (None: no limit)."""
    if max_side is None or max(size) <= max_side:
        return tuple(size)
    return scaled_size(size, max_side / max(size))


def rescale(images: Tensor, size: Sequence[int], antialias: bool = True) -> Tensor:
    """Images at another size by Pillow's bicubic filter."""
    if tuple(images.shape[-2:]) == tuple(size):
        return images
    return F.interpolate(
        images, tuple(size), mode='bicubic', align_corners=False, antialias=antialias)


@torch.no_grad()
def multi_scale_cam(model: nn.Module,
                    images: Tensor,
                    labels: Tensor,
                    scales: Sequence[float] = SCALES,
                    flip: bool = True,
                    size: Sequence[int] | None = None,
                    relu: str = 'each',
                    norm: str = 'max',
                    antialias: bool = True,
                    max_side: int | None = MAX_SIDE,
                    eps: float = 1e-5,
                    background: bool = False) -> Tensor | tuple[Tensor, Tensor | None]:
    """CAMs of a batch, aggregated over scales and the horizontal flip.

    Per scale the batch and its mirror image go through the network as one batch; each raw CAM is
    brought to ``size`` bilinearly, passed through a ReLU, filtered by the label, mirrored back, and
    summed; the sum is divided by its maximum per class. Large scaled images go through one at a
    time, and only the classes of the labels are brought to ``size``; neither changes the result. On
    a CPU the images are in the memory format ``channels_last``, where convolutions are faster (a
    difference of about 1e-6 of the largest score).

    Args:
        model: Has ``predict_cam(images) -> (N, C, h, w)`` raw CAM; or, where ``own_background`` is
            true, ``predict_scores(images, flip) -> (N, C + 1, h, w)``, background first, which
            joins image and mirror image itself (SIPE). The background is then one more map.
        images: Normalised images of one size, ``(N, 3, H, W)``.
        labels: Multi-hot ``(N, C)``; the CAM of an absent class is 0.
        scales: Factors of the input size (bicubic, as Pillow's, which the originals use).
        flip: Also use the mirror image.
        size: Size of the result; the input's by default (the limited one, see ``max_side``).
        relu: ``'each'``: every CAM before summing (AEFT, KTSE inference); ``'flip'``: after the sum
            of an image and its mirror image (the CAMs of IRN's refinement in KTSE); ``'none'``:
            negative evidence counts, only with ``norm='minmax'`` (EADER with CAM as attention).
        norm: ``'max'`` or ``'minmax'`` (SEAM, EADER, MCTformer) over each class map.
        antialias: Low-pass before an image is made smaller, as Pillow does. Without it, an image
            at scale .5 differs from the originals' by an RMS of .07 to .18 (.006 with it).
        max_side: An image whose long side is larger is first made this large, so that memory and
            time are bounded; None for no limit. Those of VOC and COCO (500, 640) are untouched.
        eps: Guards the division.
        background: Return the model's own background score, too.

    Returns:
        ``(N, C, h, w)`` in [0, 1]; with ``background`` a pair of it and ``(N, 1, h, w)`` in [0, 1],
        or None where the model makes no background.

    Raises:
        ValueError: Unknown ``relu`` or ``norm``, or ``relu='none'`` without ``norm='minmax'``.
    """
    own = getattr(model, 'own_background', False)
    if relu not in RELU or norm not in NORM or (relu, norm) == ('none', 'max'):
        raise ValueError(f"relu={relu!r} must be one of {RELU}, norm={norm!r} of {NORM}, and "
                         "'none' goes with 'minmax'")
    images = rescale(images, limited_size(images.shape[-2:], max_side))
    size = tuple(images.shape[-2:] if size is None else size)
    shown = F.pad(labels, (1, 0), value=1) if own else labels
    present = shown.any(0).nonzero()[:, 0].to(images.device)  # in any image of the batch
    total = images.new_zeros((len(images), len(present), *size), dtype=torch.float32)
    for scale in scales if len(present) else ():
        height, width = scaled_size(images.shape[-2:], scale)
        count = max(MAX_PIXELS // (height * width * (2 if flip else 1)), 1)
        for part, sums in zip(images.split(count), total.split(count)):
            maps = raw_maps(model, rescale(part, (height, width), antialias), flip, own)
            maps = maps[:, present.to(maps.device)].float().contiguous()
            maps = F.interpolate(maps, size, mode='bilinear', align_corners=False)
            if relu == 'each':
                maps = maps.relu_()
            if flip and not own:
                straight, mirrored = maps.chunk(2)
                maps = straight.add_(mirrored.flip(-1))
            sums += maps if relu == 'none' else maps.relu_()
    total *= shown[:, present, None, None].to(total)
    if norm == 'minmax':
        total = total.sub_(total.amin((-2, -1), keepdim=True)).sub_(eps).relu_()
    total /= total.amax((-2, -1), keepdim=True) + eps
    score = None
    if own:
        score, total, present = total[:, :1], total[:, 1:], present[1:] - 1
    cams = total
    if len(present) < labels.shape[1]:
        cams = total.new_zeros(len(total), labels.shape[1], *size)
        cams[:, present] = total
    return (cams, score) if background else cams


def fast_layout(images: Tensor) -> Tensor:
    """Images ``(N, C, H, W)`` in the memory format that convolutions are fastest in: on a CPU
    ``channels_last``, with the same results but for rounding."""
    return images if images.is_cuda else images.contiguous(memory_format=torch.channels_last)


def raw_maps(model: nn.Module, images: Tensor, flip: bool, own: bool) -> Tensor:
    """Raw maps of images followed, with ``flip``, by those of their mirror images; where the model
    joins the two itself, of the images alone."""
    images = fast_layout(images)
    if own:
        return model.predict_scores(
            torch.cat([images, images.flip(-1)]) if flip else images, flip)
    if not flip:
        return model.predict_cam(images)
    if 2 * images[:, 0].numel() > MAX_PIXELS:
        return torch.cat([model.predict_cam(images), model.predict_cam(images.flip(-1))])
    return model.predict_cam(torch.cat([images, images.flip(-1)]))
