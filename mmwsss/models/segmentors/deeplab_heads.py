"""The decode heads of DeepLab that mmseg lacks."""

from collections.abc import Sequence

import torch
from mmcv.cnn import ConvModule
from mmseg.models.decode_heads.aspp_head import ASPPHead
from mmseg.models.decode_heads.decode_head import BaseDecodeHead
from mmseg.models.decode_heads.sep_aspp_head import DepthwiseSeparableASPPHead
from mmseg.registry import MODELS as MMSEG_MODELS
from torch import Tensor, nn
from torch.nn import functional as F

from mmwsss.registry import MODELS

# The mean over the pixels that count; mmseg's default divides by the ignored ones too, which would
# weaken the loss of images whose pseudo mask leaves much open.
CROSS_ENTROPY = dict(type='mmseg.CrossEntropyLoss', avg_non_ignore=True)
WSEG_INIT = dict(type='Kaiming', layer='Conv2d')  # normal, fan out


class FastAccuracy:
    """For decode heads of mmseg: their losses, with ``acc_seg`` from a maximum in place of a sort.

    mmseg's ``accuracy`` sorts the classes of each pixel, which takes a tenth of a small step.
    """

    def loss_by_feat(self, seg_logits: Tensor, batch_data_samples: list) -> dict[str, Tensor]:
        """The losses of ``seg_logits`` ``(N, num_classes, h, w)`` by name, and ``acc_seg``, per
        cent of the pixels that count."""
        target = self._stack_batch_gt(batch_data_samples)
        logits = F.interpolate(seg_logits, target.shape[2:], mode='bilinear',
                               align_corners=self.align_corners)
        weight = None if self.sampler is None else self.sampler.sample(logits, target)
        target = target.squeeze(1)
        parts = self.loss_decode
        losses: dict[str, Tensor] = {}
        for part in parts if isinstance(parts, nn.ModuleList) else [parts]:
            value = part(logits, target, weight=weight, ignore_index=self.ignore_index)
            name = part.loss_name
            losses[name] = losses[name] + value if name in losses else value
        counts = target != self.ignore_index
        right = (logits.max(1).indices == target) & counts
        eps = torch.finfo(torch.float32).eps  # as mmseg: 100 where no pixel counts
        losses['acc_seg'] = 100 * (right.sum() + eps) / (counts.sum() + eps)
        return losses


@MMSEG_MODELS.register_module()
@MODELS.register_module()
class DeepLabV2Head(FastAccuracy, BaseDecodeHead):
    """DeepLabV2's ASPP: the sum of parallel dilated 3x3 convolutions, each a classifier.

    (mmseg's ``ASPPHead`` is that of V3: concatenation, batch norm and a further classifier.)

    Args:
        in_channels: Channels of the feature map.
        num_classes: Number of classes *with* the background, as everywhere in mmseg.
        dilations: One branch per rate; with a bias each.
        loss_decode: Default: cross-entropy, mean over the pixels that are not ignored.
        init_cfg and others: as in mmseg; weights start from N(0, 0.01), biases from 0.
    """

    def __init__(
        self,
        in_channels: int,
        num_classes: int,
        dilations: Sequence[int] = (6, 12, 18, 24),
        loss_decode: dict | None = None,
        init_cfg: dict | None = None,
        **kwargs,
    ) -> None:
        super().__init__(
            in_channels,
            channels=num_classes,
            num_classes=num_classes,
            dropout_ratio=0,
            loss_decode=loss_decode or CROSS_ENTROPY,
            init_cfg=init_cfg or dict(type='Normal', layer='Conv2d', std=0.01),
            **kwargs)
        del self.conv_seg  # every branch classifies by itself
        self.branches = nn.ModuleList(
            nn.Conv2d(in_channels, self.out_channels, 3, padding=rate, dilation=rate)
            for rate in dilations)

    def forward(self, inputs: Sequence[Tensor]) -> Tensor:
        """Feature maps -> logits ``(N, num_classes, h, w)`` at their size."""
        x = self._transform_inputs(inputs)
        return sum(branch(x) for branch in self.branches)


@MMSEG_MODELS.register_module()
@MODELS.register_module()
class DeepLabV1Head(FastAccuracy, BaseDecodeHead):
    """DeepLabV1's large field of view on a residual network, as in the wseg code base.

    3x3 convolution of rate 12, BN, ReLU, 1x1 convolution, BN, ReLU, dropout, 1x1 classifier. (On
    VGG16, whose fc6 and fc7 are the large field of view, ``mmseg.FCNHead`` with ``num_convs=0`` is
    the head; MCTformer's large field of view is :class:`LargeFOVHead`.)

    Args:
        in_channels: Channels of the feature map.
        num_classes: Number of classes *with* the background.
        channels: Width of the two hidden layers.
        dilation: Rate of the 3x3 convolution.
        dropout_ratio: Before the classifier.
        loss_decode: Default: cross-entropy, mean over the pixels that are not ignored.
        norm_cfg and others: as in mmseg.
    """

    def __init__(
        self,
        in_channels: int,
        num_classes: int,
        channels: int = 512,
        dilation: int = 12,
        dropout_ratio: float = 0.5,
        norm_cfg: dict | None = None,
        loss_decode: dict | None = None,
        init_cfg: dict | None = None,
        **kwargs,
    ) -> None:
        super().__init__(
            in_channels,
            channels=channels,
            num_classes=num_classes,
            norm_cfg=norm_cfg or dict(type='BN'),
            loss_decode=loss_decode or CROSS_ENTROPY,
            init_cfg=init_cfg or WSEG_INIT,
            **kwargs)
        self.dropout = nn.Dropout(dropout_ratio)  # mmseg's drops whole channels
        common = dict(norm_cfg=self.norm_cfg, act_cfg=self.act_cfg)
        self.convs = nn.Sequential(
            ConvModule(in_channels, channels, 3, padding=dilation, dilation=dilation, **common),
            ConvModule(channels, channels, 1, **common))

    def forward(self, inputs: Sequence[Tensor]) -> Tensor:
        """Feature maps -> logits ``(N, num_classes, h, w)`` at their size."""
        return self.cls_seg(self.convs(self._transform_inputs(inputs)))


@MMSEG_MODELS.register_module()
@MODELS.register_module()
class LargeFOVHead(FastAccuracy, BaseDecodeHead):
    """Large field of view of MCTformer's segmentation model (on ResNet38, without batch norm).

    3x3 convolution of rate 12, ReLU, 3x3 classifier of rate 12, both with bias, Xavier-uniform.

    Args:
        in_channels: Channels of the feature map.
        num_classes: Number of classes *with* the background.
        channels: Width of the hidden layer.
        dilation: Rate of both convolutions.
        loss_decode: Default: cross-entropy, mean over the pixels that are not ignored.
        Others: as in mmseg.
    """

    def __init__(
        self,
        in_channels: int,
        num_classes: int,
        channels: int = 512,
        dilation: int = 12,
        loss_decode: dict | None = None,
        init_cfg: dict | None = None,
        **kwargs,
    ) -> None:
        super().__init__(
            in_channels,
            channels=channels,
            num_classes=num_classes,
            dropout_ratio=0,
            loss_decode=loss_decode or CROSS_ENTROPY,
            init_cfg=init_cfg or dict(type='Xavier', layer='Conv2d', distribution='uniform'),
            **kwargs)
        # Not mmcv's ConvModule, which would overrule init_cfg.
        self.conv = nn.Conv2d(in_channels, channels, 3, padding=dilation, dilation=dilation)
        self.conv_seg = nn.Conv2d(
            channels, self.out_channels, 3, padding=dilation, dilation=dilation)

    def forward(self, inputs: Sequence[Tensor]) -> Tensor:
        """Feature maps -> logits ``(N, num_classes, h, w)`` at their size."""
        return self.cls_seg(self.conv(self._transform_inputs(inputs)).relu())


@MMSEG_MODELS.register_module()
@MODELS.register_module()
class ASPPPoolHead(FastAccuracy, ASPPHead):
    """What the wseg code base calls DeepLabV2: ASPP with BN and global pooling.

    Four dilated 3x3 convolutions and a globally pooled 1x1 convolution, each with BN and ReLU;
    their concatenation through a 1x1 convolution, BN, ReLU; dropout twice; 1x1 classifier.
    (mmseg's ``ASPPHead``, V3's, has a 3x3 convolution there.)

    Args:
        in_channels: Channels of the feature map.
        num_classes: Number of classes *with* the background.
        channels: Width of every hidden layer.
        dilations: One branch per rate.
        dropout_ratio: Of each of the two dropouts.
        loss_decode: Default: cross-entropy, mean over the pixels that are not ignored.
        Others: as in mmseg.
    """

    def __init__(
        self,
        in_channels: int,
        num_classes: int,
        channels: int = 256,
        dilations: Sequence[int] = (6, 12, 18, 24),
        dropout_ratio: float = 0.5,
        norm_cfg: dict | None = None,
        loss_decode: dict | None = None,
        init_cfg: dict | None = None,
        **kwargs,
    ) -> None:
        super().__init__(
            dilations=tuple(dilations),
            in_channels=in_channels,
            channels=channels,
            num_classes=num_classes,
            norm_cfg=norm_cfg or dict(type='BN'),
            loss_decode=loss_decode or CROSS_ENTROPY,
            init_cfg=init_cfg or WSEG_INIT,
            **kwargs)
        self.bottleneck = nn.Sequential(_projection(self), nn.Dropout(dropout_ratio))
        self.dropout = nn.Dropout(dropout_ratio)


@MMSEG_MODELS.register_module()
@MODELS.register_module()
class DeepLabV3PlusHead(FastAccuracy, DepthwiseSeparableASPPHead):
    """The decoder of TensorFlow's DeepLabV3+.

    mmseg's ``DepthwiseSeparableASPPHead`` but for the projection of the concatenated branches: a
    1x1 instead of a 3x3 convolution, with dropout behind it instead of before the classifier.

    Args:
        dropout_ratio: Behind the projection.
        loss_decode: Default: cross-entropy, mean over the pixels that are not ignored.
        Others: as in mmseg.
    """

    def __init__(
        self,
        dropout_ratio: float = 0.1,
        loss_decode: dict | None = None,
        **kwargs,
    ) -> None:
        super().__init__(dropout_ratio=0, loss_decode=loss_decode or CROSS_ENTROPY, **kwargs)
        self.bottleneck = nn.Sequential(_projection(self), nn.Dropout(dropout_ratio))


def _projection(head: ASPPHead) -> ConvModule:
    """The 1x1 convolution of an ASPP's concatenated branches."""
    return ConvModule(
        (len(head.dilations) + 1) * head.channels, head.channels, 1, norm_cfg=head.norm_cfg,
        act_cfg=head.act_cfg)
