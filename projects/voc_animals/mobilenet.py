"""MobileNetV1 as a plug-in backbone: registered from outside the package, by ``custom_imports``."""

from typing import Sequence, Tuple

import torch.nn.functional as F
from mmengine.model import BaseModule
from torch import Tensor, nn

from mmwsss.registry import MODELS

STRIDES = (1, 2, 1, 2, 1, 2, 1, 1, 1, 1, 1, 2, 1)
CHANNELS = (64, 128, 128, 256, 256, 512, 512, 512, 512, 512, 512, 1024, 1024)


class SameConv2d(nn.Conv2d):
    """A 3x3 convolution with TensorFlow's "SAME" padding: the odd row and column of a stride go to
    the bottom and right."""

    def forward(self, x: Tensor) -> Tensor:
        pads = []
        for side, kernel, stride, dilation in zip(x.shape[:1:-1], self.kernel_size, self.stride,
                                                  self.dilation):
            covered = (-(-side // stride) - 1) * stride + dilation * (kernel - 1) + 1
            total = max(covered - side, 0)
            pads += [total // 2, total - total // 2]
        if pads[0] == pads[1] and pads[2] == pads[3]:
            return F.conv2d(x, self.weight, self.bias, self.stride, (pads[2], pads[0]),
                            self.dilation, self.groups)
        return F.conv2d(F.pad(x, pads), self.weight, self.bias, self.stride, 0, self.dilation,
                        self.groups)


@MODELS.register_module()
class MobileNetV1(BaseModule):
    """MobileNetV1 (Howard et al., 2017) with late strides replaced by dilation.

    Args:
        width: Factor of all channels.
        output_stride: 32, 16 or 8.
        out_indices: Blocks (0 to 12) whose output is returned, low to high.
        norm_eval: Keep the batch normalisation at its ImageNet statistics.
        init_cfg: ``dict(type='Pretrained', checkpoint=...)`` for ImageNet weights; their ``fc`` is
            left out.
    """

    def __init__(self,
                 width: float = 0.75,
                 output_stride: int = 16,
                 out_indices: Sequence[int] = (12, ),
                 norm_eval: bool = True,
                 init_cfg: dict = None):
        super().__init__(init_cfg)
        if output_stride not in (8, 16, 32):
            raise ValueError(f'MobileNetV1: output_stride={output_stride} must be 8, 16 or 32')
        self.out_indices = tuple(out_indices)
        self.norm_eval = norm_eval
        channels = [int(c * width) for c in (32, ) + CHANNELS]
        self.out_channels = [channels[i + 1] for i in self.out_indices]
        self.conv1 = SameConv2d(3, channels[0], 3, stride=2, bias=False)
        self.bn1 = nn.BatchNorm2d(channels[0], eps=1e-3)
        self.dw, self.dwb, self.pw, self.pwb = (nn.ModuleList() for _ in range(4))
        reached, dilation = 2, 1
        for stride, before, after in zip(STRIDES, channels, channels[1:]):
            used = stride if reached * stride <= output_stride else 1
            self.dw.append(SameConv2d(before, before, 3, stride=used, dilation=dilation,
                                      groups=before, bias=False))
            self.dwb.append(nn.BatchNorm2d(before, eps=1e-3))
            self.pw.append(nn.Conv2d(before, after, 1, bias=False))
            self.pwb.append(nn.BatchNorm2d(after, eps=1e-3))
            reached *= used
            dilation *= stride // used

    def train(self, mode: bool = True) -> 'MobileNetV1':
        super().train(mode)
        if self.norm_eval:
            for module in self.modules():
                if isinstance(module, nn.BatchNorm2d):
                    module.eval()
        return self

    def forward(self, x: Tensor) -> Tuple[Tensor, ...]:
        """Normalised images ``(N, 3, H, W)``, RGB / 127.5 - 1, to the maps of ``out_indices``."""
        x = F.relu6(self.bn1(self.conv1(x)))
        outs = []
        for index, layers in enumerate(zip(self.dw, self.dwb, self.pw, self.pwb)):
            depthwise, norm1, pointwise, norm2 = layers
            x = F.relu6(norm2(pointwise(F.relu6(norm1(depthwise(x))))))
            if index in self.out_indices:
                outs.append(x)
        return tuple(outs)
