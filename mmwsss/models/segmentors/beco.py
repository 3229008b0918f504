"""BECO: two segmentation models that teach each other (Rong et al., CVPR 2023)."""

import copy
import functools
import os
from concurrent.futures import ThreadPoolExecutor

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from mmseg.models.segmentors import EncoderDecoder
from mmseg.registry import MODELS as MMSEG_MODELS
from torch import Tensor

from mmwsss.datasets.mask_ids import IGNORE
from mmwsss.registry import MODELS

from .msc_encoder_decoder import MSCEncoderDecoder, scoped


def paste_region(labels: Tensor) -> Tensor:
    """Pixels of half of an image's objects, as ClassMix chooses them, without waiting for a GPU.

    Args:
        labels: Class ids ``(H, W)`` in 0..255, int64; 0 (background) and 255 are never chosen.

    Returns:
        bool ``(H, W)``: the pixels of ``ceil(n / 2)`` of its ``n`` classes, drawn at random.
    """
    present = torch.zeros(256, dtype=torch.bool, device=labels.device)
    present.index_fill_(0, labels.flatten(), True)
    present[0] = present[IGNORE] = False
    # A random rank among the present classes; the others come after.
    rank = torch.rand(256, device=labels.device).masked_fill(~present, 2).argsort().argsort()
    return (rank < (present.sum() + 1) // 2)[labels]


def boundary_band(region: Tensor, size: int = 1) -> Tensor:
    """Dilation minus erosion of a bool ``(H, W)`` by a square of side ``2 * size + 1``, as bool;
    what lies outside the image moves no boundary."""
    x = region[None].float()
    kernel = dict(kernel_size=2 * size + 1, stride=1, padding=size)
    return (F.max_pool2d(x, **kernel) + F.max_pool2d(-x, **kernel))[0] > 0


def class_mix(images: Tensor, labels: Tensor, online: Tensor | None = None, prob: float = 0.5,
              size: int = 1) -> tuple[Tensor, Tensor, Tensor]:
    """Paste objects of image ``i + N/2`` onto image ``i`` and vice versa.

    A mixed image takes the ``online`` labels everywhere, the pasted pixels those of the other
    image. Where there are none (warm-up), it takes the given ``labels``, and has no boundary.

    Args:
        images: ``(N, 3, H, W)``, N even.
        labels: Class ids ``(N, H, W)``, 255 where unreliable.
        online: The models' own labels, likewise, or None.
        prob: How often an image is mixed.
        size: Half width of the boundary, see :func:`boundary_band`.

    Returns:
        Images, labels, and the boundaries ``(N, H, W)`` bool of what was pasted.

    Raises:
        ValueError: N is odd.
    """
    count = len(images)
    if count % 2:
        raise ValueError(f'BECO mixes pairs of images, but a batch has {count}; set an even '
                         'train_dataloader.batch_size, and drop_last=True')
    source = labels if online is None else online
    mixed = images.clone(), labels.clone(), torch.zeros_like(labels, dtype=torch.bool)
    for i in range(count):
        if torch.rand(()) >= prob:
            continue
        j = (i + count // 2) % count
        region = paste_region(source[j])
        mixed[0][i] = torch.where(region, images[j], images[i])
        mixed[1][i] = torch.where(region, source[j], source[i])
        if online is not None:
            mixed[2][i] = boundary_band(region, size)
    return mixed


def beco_loss(first: Tensor, second: Tensor, labels: Tensor, boundary: Tensor,
              boundary_weight: float = 0.2) -> dict[str, Tensor]:
    """Cross-entropy on reliable pixels, cross pseudo labels on the others.

    Args:
        first, second: Logits ``(N, C, H, W)`` of the two models.
        labels: Class ids ``(N, H, W)``, 255 where unreliable.
        boundary: bool ``(N, H, W)``; reliable pixels there weigh ``1 + boundary_weight``.

    Returns:
        ``loss_ce`` and ``loss_cross``, each the sum over both models of a mean over *all* pixels.
    """
    unreliable = labels == IGNORE
    weight = 1 + boundary_weight * boundary
    supervised = crossed = 0
    for own, other in ((first, second), (second, first)):
        ce = F.cross_entropy(own, labels, ignore_index=IGNORE, reduction='none')
        supervised = supervised + (ce * weight).mean()
        ce = F.cross_entropy(own, other.detach().argmax(1), reduction='none')
        crossed = crossed + (ce * unreliable).mean()
    return dict(loss_ce=supervised, loss_cross=crossed)


def strong_colour(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """BECO's strong augmentation of a uint8 RGB ``(H, W, 3)``: brightness and contrast (.2), hue,
    saturation and value (20, 30, 20) four times in five; grey one time in five; blur (3 or 5
    pixels) one time in two."""
    if rng.random() < 0.8:
        contrast, brightness = rng.uniform(-0.2, 0.2, 2)
        image = np.clip(image * (1 + contrast) + 255 * brightness, 0, 255).astype(np.uint8)
        hue, saturation, value = rng.uniform(-1, 1, 3) * (20, 30, 20)
        hsv = cv2.cvtColor(image, cv2.COLOR_RGB2HSV).astype(np.float64)
        hsv[..., 0] = (hsv[..., 0] + hue) % 180
        hsv[..., 1:] = np.clip(hsv[..., 1:] + (saturation, value), 0, 255)
        image = cv2.cvtColor(hsv.astype(np.uint8), cv2.COLOR_HSV2RGB)
    if rng.random() < 0.2:
        image = np.repeat(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)[..., None], 3, 2)
    if rng.random() < 0.5:
        side = int(rng.choice((3, 5)))
        image = cv2.GaussianBlur(image, (side, side), 0)
    return image


@functools.lru_cache(maxsize=1)
def _threads(process: int) -> ThreadPoolExecutor:
    """Threads that are kept from step to step; a forked process needs its own."""
    return ThreadPoolExecutor()


@MMSEG_MODELS.register_module()
@MODELS.register_module()
class BECOSegmentor(MSCEncoderDecoder):
    """Two models of one config that are trained together; their mean logits are the prediction.

    Each learns from the pseudo masks where these are reliable and from the other's prediction
    where they are not (:func:`beco_loss`). Half of the images get objects of another image of the
    batch pasted on (:func:`class_mix`), and all of them a strong change of colours.

    Unreliable is what is 255 in the masks: ``PseudoMaskDataset(confidence_dir=...)`` makes it so.
    (In BECO's code, which has masks of reliability beside the labels, the only difference is that
    a paste during warm-up takes a class's unreliable pixels along.)

    After warm-up the mixed images are labelled by the models themselves. ``CoTrainingHook`` sets
    ``online`` then; without the hook it stays False.

    Args:
        mix_prob: How often an image is mixed.
        confidence: The models' own labels need a higher probability to be reliable.
        boundary_size: Half width of the boundary of what was pasted.
        boundary_weight: Additional weight of the cross-entropy there.
        augment: Whether images are augmented by :func:`strong_colour`.
        Others: as in :class:`MSCEncoderDecoder`, but for ``train_scales`` and ``auxiliary_head``.

    Raises:
        ValueError: ``train_scales`` or ``auxiliary_head`` is given.
    """

    def __init__(self, backbone: dict, decode_head: dict, *args, mix_prob: float = 0.5,
                 confidence: float = 0.95, boundary_size: int = 1, boundary_weight: float = 0.2,
                 augment: bool = True, **kwargs) -> None:
        backbone2, decode_head2 = copy.deepcopy((backbone, decode_head))
        super().__init__(backbone, decode_head, *args, **kwargs)
        if self.train_scales or self.with_auxiliary_head:
            raise ValueError('BECOSegmentor trains at one scale and on its decode heads alone; '
                             'remove train_scales and auxiliary_head')
        self.peer = EncoderDecoder(scoped(backbone2), scoped(decode_head2))
        self.mix_prob = mix_prob
        self.confidence = confidence
        self.boundary_size = boundary_size
        self.boundary_weight = boundary_weight
        self.augment = augment
        self.online = False

    def both(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """The logits ``(N, C, H, W)`` of either model at the size of the images."""
        return tuple(
            F.interpolate(logits, images.shape[2:], mode='bilinear',
                          align_corners=self.align_corners)
            for logits in (EncoderDecoder._forward(self, images), self.peer._forward(images)))

    @torch.no_grad()
    def online_labels(self, images: Tensor) -> Tensor:
        """The models' common labels ``(N, H, W)``, made in eval mode, 255 where they are not sure.
        """
        training = self.training
        self.eval()
        first, second = self.both(images)
        self.train(training)
        # Autocast keeps the weights' half-precision copies; older versions of PyTorch also these,
        # made without a graph, and the weights would then get no gradient.
        torch.clear_autocast_cache()
        prob, labels = ((first + second) / 2).softmax(1).max(1)
        return labels.masked_fill(prob <= self.confidence, IGNORE)

    def loss(self, inputs: Tensor, data_samples: list) -> dict:
        """Losses of a batch ``(N, 3, H, W)``, N even."""
        labels = torch.cat([sample.gt_sem_seg.data for sample in data_samples])
        online = self.online_labels(inputs) if self.online else None
        images, labels, boundary = class_mix(
            inputs, labels, online, self.mix_prob, self.boundary_size)
        if self.augment:
            images = self._augment(images)
        return beco_loss(*self.both(images), labels, boundary, self.boundary_weight)

    def _augment(self, images: Tensor) -> Tensor:
        """:func:`strong_colour` of normalised images. OpenCV changes them on the CPU, so a GPU is
        waited for."""
        mean, std = (getattr(self.data_preprocessor, name, default)
                     for name, default in (('mean', 0.), ('std', 1.)))
        raw = (images * std + mean).round().clamp(0, 255).byte().permute(0, 2, 3, 1)
        rngs = [np.random.default_rng(seed) for seed in np.random.randint(2**31, size=len(raw))]
        # 30 ms an image of 512 x 512 pixels.
        changed = np.stack(list(_threads(os.getpid()).map(
            strong_colour, raw.cpu().contiguous().numpy(), rngs)))
        # Contiguous: channels-last images make PyTorch 2.13 write past its buffers on a CPU.
        changed = torch.as_tensor(changed, device=images.device).permute(0, 3, 1, 2).contiguous()
        return (changed.to(images.dtype) - mean) / std

    def _forward(self, inputs: Tensor, data_samples: list | None = None) -> Tensor:
        return (super()._forward(inputs) + self.peer._forward(inputs)) / 2

    def encode_decode(self, inputs: Tensor, batch_img_metas: list) -> Tensor:
        """Mean logits at the size of the input."""
        return (super().encode_decode(inputs, batch_img_metas)
                + self.peer.encode_decode(inputs, batch_img_metas)) / 2
