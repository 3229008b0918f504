"""The head of MCTformer V2 (CVPR 2022)."""

from collections.abc import Sequence

import torch
from mmengine.model import BaseModule
from torch import Tensor, nn
from torch.nn import functional as F

from mmwsss.registry import MODELS

from .base import CAMOutput


def fuse_attention(patch_cam: Tensor, attention: Tensor, num_layers: int,
                   refine: bool = True) -> Tensor:
    """Class-token attention times patch CAM, spread by the attention among patches.

    Args:
        patch_cam: Raw CAM of the patch tokens ``(N, C, h, w)``.
        attention: Mean over heads, ``(N, L, C + hw, C + hw)``, class tokens first, rows attend.
        num_layers: The last layers whose class attention is summed; that among patches is summed
            over all layers and not normalised.
        refine: Whether to spread by the latter.

    Returns:
        ``(N, C, h, w)``, not negative.
    """
    num_classes, size = patch_cam.shape[1], patch_cam.shape[-2:]
    to_patches = attention[:, -num_layers:, :num_classes, num_classes:].sum(dim=1)
    fused = to_patches * F.relu(patch_cam).flatten(2)
    if not refine:
        return fused.unflatten(2, size)
    among = attention[:, :, num_classes:, num_classes:].sum(dim=1)
    return (fused @ among.transpose(1, 2)).unflatten(2, size)


def rank_pool(maps: Tensor, decay: float) -> Tensor:
    """Weighted mean over the pixels, the k-th largest (from 0) of each map with ``decay ** k``.

    Args:
        maps: ``(N, C, h, w)``.
        decay: In (0, 1]; 1 is the mean.

    Returns:
        ``(N, C)``.
    """
    if decay == 1:
        return maps.mean(dim=(2, 3))
    values = maps.flatten(2).sort(dim=2, descending=True).values
    weights = decay ** torch.arange(values.shape[2], device=maps.device, dtype=torch.float32)
    return (values * (weights / weights.sum()).to(values)).sum(dim=2)


@MODELS.register_module()
class MCTHead(BaseModule):
    """Class tokens and patch tokens both classify; the CAM is their product, refined.

    ``logits`` are the means of the class tokens, ``extra['patch_logits']`` ``(N, C)`` those of
    ``extra['patch_cam']`` ``(N, C, h, w)``, the raw signed CAM of a 3x3 convolution on the patches.

    Args:
        num_classes: Foreground classes C.
        in_channels: Width of a token.
        train_layers: Layers of class attention in ``cam`` (see :func:`fuse_attention`).
        infer_layers: The same for :meth:`infer_cam`; 3 gave the published seeds.
        detach_patch: ``cam`` gives no gradient to the patch CAM, as in V2; CSD needs False.
        decay: Pooling of the patch CAM, see :func:`rank_pool`: 1, the mean, is V2; MCTformer+ has
            .996. The less, the fewer patches must show a class.
        refine: See :func:`fuse_attention`. False is for a transformer from scratch, whose patches
            do not attend to their like.

    Raises:
        ValueError: ``decay`` is out of range.
    """

    def __init__(self,
                 num_classes: int,
                 in_channels: int = 384,
                 train_layers: int = 12,
                 infer_layers: int = 3,
                 detach_patch: bool = True,
                 decay: float = 1.,
                 refine: bool = True,
                 init_cfg: dict | None = None):
        super().__init__(init_cfg)
        if not 0 < decay <= 1:
            raise ValueError(f'MCTHead: decay={decay} must be in (0, 1]')
        self.num_classes = num_classes
        self.in_channels = in_channels
        self.train_layers = train_layers
        self.infer_layers = infer_layers
        self.detach_patch = detach_patch
        self.decay = decay
        self.refine = refine
        self.patch = nn.Conv2d(in_channels, num_classes, 3, padding=1)

    def forward(self, feats: Sequence[Tensor]) -> CAMOutput:
        """
        Args:
            feats: Patch map ``(N, D, h, w)``, class tokens ``(N, C, D)`` and attention
                ``(N, L, C + hw, C + hw)`` of :class:`MCTDeiT`.

        Raises:
            ValueError: The backbone has another number of class tokens.
        """
        patches, tokens, attention = feats
        if tokens.shape[1] != self.num_classes:
            raise ValueError(
                f'MCTHead has num_classes={self.num_classes} but its backbone {tokens.shape[1]} '
                'class tokens; set num_classes of both')
        patch_cam = self.patch(patches)
        cam = fuse_attention(patch_cam.detach() if self.detach_patch else patch_cam, attention,
                             self.train_layers, self.refine)
        extra = dict(patch_cam=patch_cam, patch_logits=rank_pool(patch_cam, self.decay))
        return CAMOutput(cam, tokens.mean(dim=2), None, tuple(feats), extra)

    def infer_cam(self, output: CAMOutput) -> Tensor:
        """The fused CAM ``(N, C, h, w)`` with ``infer_layers``."""
        return fuse_attention(
            output.extra['patch_cam'], output.feats[2], self.infer_layers, self.refine)

    def loss(self, output: CAMOutput, labels: Tensor) -> dict:
        """Binary cross entropy of class-token and patch logits against labels ``(N, C)``."""
        classify = F.binary_cross_entropy_with_logits
        return dict(
            loss_cls=classify(output.logits.float(), labels),
            loss_patch=classify(output.extra['patch_logits'].float(), labels))
