"""Pseudo labels from two background thresholds (AFA; eq. 4 of KTSE)."""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from mmwsss.datasets.mask_ids import IGNORE

from ..utils.cam import packed_classes, resize_maps


def combine_confident(high: Tensor, low: Tensor) -> Tensor:
    """Class where the high threshold finds one, background where even the low one finds none.

    Args:
        high: Label map of any shape made with the high background score.
        low: The same with the low background score.

    Returns:
        ``high``, with 255 where only ``low`` has a class (or neither is sure).
    """
    labels = high.masked_fill(high == 0, IGNORE)
    return labels.masked_fill((high == 0) & (low == 0), 0)


@torch.no_grad()
def confident_labels(cam: Tensor,
                     labels: Tensor,
                     high: float = 0.30,
                     low: float = 0.15,
                     refiner: Callable[[Tensor, Tensor], Tensor] | None = None,
                     img: Tensor | None = None,
                     down_scale: int = 2,
                     relu: bool = True) -> Tensor:
    """Pixels whose class or background two thresholds agree on, eq. 4 of KTSE with refinement.

    Each CAM is divided by its maximum and joined by a constant background score, once ``high`` and
    once ``low``; the softmax over background and the classes *of the image* is refined at reduced
    size; the argmax of each is combined by :func:`combine_confident`. No gradient.

    Args:
        cam: Raw, signed CAM ``(N, C, h, w)``.
        labels: Multi-hot ``(N, C)``. Labels on a GPU are waited for, those on the CPU are not.
        high: Background score of the stack that finds foreground (KTSE 0.30, AFA 0.55).
        low: Background score of the stack that finds background (KTSE 0.15, AFA 0.35).
        refiner: ``refiner(img, scores) -> scores``, linear in each channel, e.g. :class:`PAR`; None
            leaves the stacks as they are.
        img: Images ``(N, 3, H, W)`` for the refiner, on any scale; they also give the size of the
            result. None: the size of the CAM.
        down_scale: Refine at this fraction of the image's size.
        relu: Drop negative evidence before the division (AFA; KTSE's eq. 1 and 4). Without it, as
            in KTSE's released code, negative evidence lowers a class in the softmax and in what
            the refiner spreads, at every pixel; a class map that is negative everywhere changes its
            sign.

    Returns:
        int64 ``(N, H, W)``: 0 background, ``1..C``, 255 not confident.

    Raises:
        ValueError: ``low`` above ``high``, or a refiner without images.
    """
    if low > high:
        raise ValueError(f'confident_labels: low={low} must not exceed high={high}')
    if refiner is not None and img is None:
        raise ValueError('confident_labels: a refiner needs the images, img=...')
    order, present = packed_classes(labels, cam.device)  # only these take part
    present = F.pad(present, (1, 0), value=True)
    cam = cam.detach().float()
    cam = cam.gather(1, order[:, :, None, None].expand(-1, -1, *cam.shape[-2:]))
    cam = F.relu(cam) if relu else cam
    cam = cam / (cam.amax((-2, -1), keepdim=True) + 1e-5)
    size = tuple(cam.shape[-2:] if img is None else img.shape[-2:])
    cam = resize_maps(cam, size)
    absent = ~present[:, :, None, None]

    stacks = [F.pad(cam, (0, 0, 0, 0, 1, 0), value=score) for score in (high, low)]
    if refiner is not None:
        small = tuple(max(side // down_scale, 1) for side in size)
        stacks = [
            resize_maps(stack, small).masked_fill(absent, float('-inf')).softmax(1)
            for stack in stacks]
        # One call for both: the affinities of the image are found once.
        refined = refiner(resize_maps(img.float(), small), torch.cat(stacks, dim=1))
        stacks = [resize_maps(stack, size) for stack in refined.chunk(2, dim=1)]
    names = F.pad(order + 1, (1, 0), value=0)
    maps = []
    for stack in stacks:
        # max is several times as fast as argmax, and takes the first of equals as well.
        best = stack.masked_fill(absent, float('-inf')).max(1).indices
        maps.append(names.gather(1, best.flatten(1)).view_as(best))
    return combine_confident(*maps)
