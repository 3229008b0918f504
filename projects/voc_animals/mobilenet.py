"""MobileNetV1 of any width, a backbone from outside the package.

Nothing in mmwsss knows of it: the config imports this file (``custom_imports``) and names the
class.
"""

from collections.abc import Sequence

from mmengine.model import BaseModule
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.modules.batchnorm import _BatchNorm

from mmwsss.registry import MODELS
from mmwsss.utils.checkpoint import init_from_pretrained

STRIDES = (1, 2, 1, 2, 1, 2, 1, 1, 1, 1, 1, 2, 1)
CHANNELS = (64, 128, 128, 256, 256, 512, 512, 512, 512, 512, 512, 1024, 1024)


class SameConv(nn.Conv2d):
    """3x3 convolution with TensorFlow's "SAME" padding: at stride 2 an even side is padded at its
    end only."""

    def forward(self, x: Tensor) -> Tensor:
        pads = []
        for side in reversed(x.shape[-2:]):
            reach = self.dilation[0] * 2 + 1
            total = max((-(-side // self.stride[0]) - 1) * self.stride[0] + reach - side, 0)
            pads += [total // 2, total - total // 2]
        return super().forward(F.pad(x, pads))


@MODELS.register_module()
class MobileNetV1(BaseModule):
    """13 blocks of depthwise and pointwise convolutions, each with batch norm and ReLU6.

    Parameters have the names of the checkpoint ``mobilenet_v1_075_imagenet.pth`` (``conv1, bn1, dw,
    dwb, pw, pwb``), so it needs no conversion; its classifier ``fc`` is left out.

    Args:
        width: Multiplier of the channels.
        output_stride: 32, or 16 or 8: late strides are replaced by dilation.
        out_indices: Blocks (0 to 12) whose output is returned.
        frozen_blocks: The stem and this many blocks are not trained; -1 freezes nothing.
        norm_eval: Batch norms keep the statistics they have.
        init_cfg: ``dict(type='Pretrained', checkpoint=FILE)`` or None.

    Raises:
        ValueError: Another output stride, or no such block.
    """

    def __init__(self,
                 width: float = 0.75,
                 output_stride: int = 16,
                 out_indices: Sequence[int] = (12, ),
                 frozen_blocks: int = -1,
                 norm_eval: bool = True,
                 init_cfg: dict | None = None):
        super().__init__(init_cfg)
        if output_stride not in (8, 16, 32):
            raise ValueError(f'MobileNetV1: output_stride={output_stride} must be 8, 16 or 32')
        if not out_indices or not all(0 <= i <= 12 for i in out_indices):
            raise ValueError(f'MobileNetV1: out_indices={out_indices} must be blocks 0 to 12')
        self.out_indices = tuple(out_indices)
        self.frozen_blocks = frozen_blocks
        self.norm_eval = norm_eval
        before = round(32 * width)
        self.conv1 = SameConv(3, before, 3, 2, bias=False)
        self.bn1 = nn.BatchNorm2d(before, eps=1e-3)
        self.dw, self.dwb, self.pw, self.pwb = (nn.ModuleList() for _ in range(4))
        reached, dilation = 2, 1
        for stride, channels in zip(STRIDES, CHANNELS):
            after = round(channels * width)
            replaced = stride if reached * stride > output_stride else 1
            stride //= replaced
            reached *= stride
            self.dw.append(SameConv(before, before, 3, stride, dilation=dilation, groups=before,
                                    bias=False))
            self.dwb.append(nn.BatchNorm2d(before, eps=1e-3))
            self.pw.append(nn.Conv2d(before, after, 1, bias=False))
            self.pwb.append(nn.BatchNorm2d(after, eps=1e-3))
            # The block that loses its stride still sees what it was trained on.
            dilation *= replaced
            before = after
        self.train()

    def init_weights(self) -> None:
        if not init_from_pretrained(self, ignore=(r'fc\.', )):
            super().init_weights()

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """``(N, 3, H, W)``, in [-1, 1] for the ImageNet weights, to the maps of ``out_indices``."""
        x = F.relu6(self.bn1(self.conv1(x)))
        maps = []
        for i, (dw, dwb, pw, pwb) in enumerate(zip(self.dw, self.dwb, self.pw, self.pwb)):
            x = F.relu6(pwb(pw(F.relu6(dwb(dw(x))))))
            if i in self.out_indices:
                maps.append(x)
        return tuple(maps)

    def train(self, mode: bool = True) -> 'MobileNetV1':
        super().train(mode)
        if self.norm_eval:
            for module in self.modules():
                if isinstance(module, _BatchNorm):
                    module.eval()
        if self.frozen_blocks >= 0:
            parts = [self.conv1, self.bn1]
            for group in (self.dw, self.dwb, self.pw, self.pwb):
                parts += group[:self.frozen_blocks]
            for part in parts:
                part.eval().requires_grad_(False)
        return self
