"""Xception-65, the aligned and dilated one of TensorFlow's DeepLabV3+."""

from collections.abc import Sequence

from mmengine.model import BaseModule
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.modules.batchnorm import _BatchNorm

from mmwsss.registry import MODELS
from mmwsss.utils.checkpoint import init_from_pretrained


class ConvBN(nn.Module):
    """Convolution without bias and batch norm."""

    def __init__(self, in_channels: int, out_channels: int, kernel: int, stride: int = 1):
        super().__init__()
        self.conv = nn.Conv2d(in_channels, out_channels, kernel, stride, kernel // 2, bias=False)
        self.bn = nn.BatchNorm2d(out_channels, eps=1e-3)

    def forward(self, x: Tensor) -> Tensor:
        return self.bn(self.conv(x))


class SeparableConv(nn.Module):
    """Depthwise 3x3 and pointwise 1x1 convolution, each with batch norm.

    Args:
        relu_inside: ReLU behind either batch norm (the last block); otherwise one before both.
    """

    def __init__(self, in_channels: int, out_channels: int, stride: int, dilation: int,
                 relu_inside: bool):
        super().__init__()
        self.conv_dw = nn.Conv2d(in_channels, in_channels, 3, stride, dilation, dilation,
                                 groups=in_channels, bias=False)
        self.bn_dw = nn.BatchNorm2d(in_channels, eps=1e-3)
        self.conv_pw = nn.Conv2d(in_channels, out_channels, 1, bias=False)
        self.bn_pw = nn.BatchNorm2d(out_channels, eps=1e-3)
        self.relu_inside = relu_inside

    def forward(self, x: Tensor) -> Tensor:
        if self.relu_inside:
            x = F.relu(self.bn_dw(self.conv_dw(x)))
            return F.relu(self.bn_pw(self.conv_pw(x)))
        return self.bn_pw(self.conv_pw(self.bn_dw(self.conv_dw(F.relu(x)))))


class XceptionBlock(nn.Module):
    """Three separable convolutions, the third with the stride, and a shortcut.

    Args:
        channels: Input width and the three output widths.
        last: The block without shortcut and with ReLUs inside.
    """

    def __init__(self, channels: Sequence[int], stride: int, dilation: int, last: bool = False):
        super().__init__()
        self.stack = nn.ModuleDict({
            f'conv{i + 1}': SeparableConv(
                channels[i], channels[i + 1], stride if i == 2 else 1, dilation, last)
            for i in range(3)})
        self.last = last
        self.shortcut = None
        if not last and (stride != 1 or channels[0] != channels[3]):
            self.shortcut = ConvBN(channels[0], channels[3], 1, stride)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """The block's output, and that of its second convolution before any ReLU."""
        inner = self.stack['conv2'](self.stack['conv1'](x))
        out = self.stack['conv3'](inner)
        if not self.last:
            out = out + (x if self.shortcut is None else self.shortcut(x))
        return out, inner


@MODELS.register_module()
class Xception65(BaseModule):
    """Xception-65 of DeepLabV3+ (EADER's segmentation model).

    The layers are named as in timm, so its ``tf_xception_65`` weights (TensorFlow's, ported) load
    by ``init_cfg`` as they are. TensorFlow's own checkpoints, ImageNet or a whole DeepLab, go
    through ``tools/model_converters/xception65_to_mmwsss.py``. Inputs are in [-1, 1].

    Args:
        width: Multiplier of all widths.
        middle_blocks: Blocks of the middle flow.
        output_stride: 8, 16 or 32; the blocks behind it are dilated instead.
        norm_eval: Batch norms stay in eval mode.
        init_cfg: ``dict(type='Pretrained', checkpoint='pretrain/xception65.pth')`` or None.

    Raises:
        ValueError: Another ``output_stride``.
    """

    def __init__(self,
                 width: float = 1.,
                 middle_blocks: int = 16,
                 output_stride: int = 16,
                 norm_eval: bool = False,
                 init_cfg: dict | None = None):
        super().__init__(init_cfg)
        if output_stride not in (8, 16, 32):
            raise ValueError(f'Xception65: output_stride={output_stride} must be 8, 16 or 32')
        stem, w1, w2, w3, w4, w5, w6, w7 = (
            max(1, round(channels * width)) for channels in (32, 64, 128, 256, 728, 1024, 1536,
                                                             2048))
        blocks = [((w1, w2, w2, w2), 2), ((w2, w3, w3, w3), 2), ((w3, w4, w4, w4), 2),
                  *[((w4, w4, w4, w4), 1)] * middle_blocks,
                  ((w4, w4, w5, w5), 2), ((w5, w6, w6, w7), 1)]
        self.stem = nn.ModuleList([ConvBN(3, stem, 3, 2), ConvBN(stem, w1, 3)])
        self.blocks = nn.ModuleList()
        reached, dilation = 2, 1
        for index, (channels, stride) in enumerate(blocks):
            keep = reached * stride > output_stride
            self.blocks.append(XceptionBlock(
                channels, 1 if keep else stride, dilation, last=index == len(blocks) - 1))
            reached, dilation = (reached, dilation * stride) if keep else (
                reached * stride, dilation)
        self.feat_channels = (w3, w7)
        self.out_channels = w7
        self.norm_eval = norm_eval
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, nonlinearity='relu')

    def init_weights(self) -> None:
        if not init_from_pretrained(self, ignore=(r'head\.', )):
            super().init_weights()

    def train(self, mode: bool = True) -> 'Xception65':
        super().train(mode)
        if self.norm_eval:
            for module in self.modules():
                if isinstance(module, _BatchNorm):
                    module.eval()
        return self

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Images ``(N, 3, H, W)`` in [-1, 1] to the decoder's low-level map (256 channels, stride
        4) and the last map (2048 channels, ``output_stride``)."""
        for layer in self.stem:
            x = F.relu(layer(x))
        low = None
        for index, block in enumerate(self.blocks):
            x, inner = block(x)
            if index == 1:
                low = inner
        return low, x
