"""ResNet38d: Wide ResNet-38 (model A1), dilated to stride 8, as in PSA, SEAM, KTSE, ..."""

from collections.abc import Sequence

import torch
from mmengine.model import BaseModule
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.modules.batchnorm import _BatchNorm
from torch.utils.checkpoint import checkpoint

from mmwsss.registry import MODELS
from mmwsss.utils.checkpoint import init_from_pretrained


class _FrozenNormReLU(torch.autograd.Function):
    """``relu(norm(x))`` of a constant affine map, which keeps its result only: that is the input of
    the convolution that follows, which keeps it anyway."""

    @staticmethod
    def forward(ctx, x: Tensor, weight: Tensor, bias: Tensor, mean: Tensor, var: Tensor,
                eps: float) -> Tensor:
        out = F.batch_norm(x, mean, var, weight, bias, eps=eps).relu_()
        ctx.save_for_backward(out, weight, var)
        ctx.eps = eps
        return out

    @staticmethod
    def backward(ctx, grad: Tensor) -> tuple:
        out, weight, var = ctx.saved_tensors
        scale = (weight * torch.rsqrt(var + ctx.eps)).to(grad.dtype)
        grad = torch.ops.aten.threshold_backward(grad, out, 0)  # of a ReLU
        return grad.mul_(scale[:, None, None]), *[None] * 5


def norm_relu(norm: nn.BatchNorm2d, x: Tensor) -> Tensor:
    """``relu(norm(x))``, with less memory for the backward pass where ``norm`` is frozen."""
    if norm.training or norm.weight.requires_grad:
        return F.relu(norm(x))
    return _FrozenNormReLU.apply(
        x, norm.weight, norm.bias, norm.running_mean, norm.running_var, norm.eps)


class BasicBlock(nn.Module):
    """Pre-activated block of two 3x3 convolutions.

    The shortcut, where the shape changes, starts from the *activated* input.

    Returns (of ``forward``): the block's output and its activated input.
    """

    def __init__(self, in_channels: int, mid_channels: int, out_channels: int, stride: int = 1,
                 dilations: tuple[int, int] = (1, 1)):
        super().__init__()
        first, second = dilations
        self.bn1 = nn.BatchNorm2d(in_channels)
        self.conv1 = nn.Conv2d(in_channels, mid_channels, 3, stride, first, first, bias=False)
        self.bn2 = nn.BatchNorm2d(mid_channels)
        self.conv2 = nn.Conv2d(mid_channels, out_channels, 3, 1, second, second, bias=False)
        self.shortcut = None
        if stride != 1 or in_channels != out_channels:
            self.shortcut = nn.Conv2d(in_channels, out_channels, 1, stride, bias=False)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        active = norm_relu(self.bn1, x)
        out = norm_relu(self.bn2, self.conv1(active))
        out = self.conv2(out)
        return out + (x if self.shortcut is None else self.shortcut(active)), active


class BottleneckBlock(nn.Module):
    """Pre-activated 1x1 - dilated 3x3 - 1x1 block with channel dropout and a 1x1 shortcut.

    Returns (of ``forward``): the block's output and its activated input.
    """

    def __init__(self, in_channels: int, out_channels: int, dilation: int, drop_rate: float):
        super().__init__()
        quarter, half = out_channels // 4, out_channels // 2
        self.bn1 = nn.BatchNorm2d(in_channels)
        self.conv1 = nn.Conv2d(in_channels, quarter, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(quarter)
        self.conv2 = nn.Conv2d(quarter, half, 3, 1, dilation, dilation, bias=False)
        self.bn3 = nn.BatchNorm2d(half)
        self.conv3 = nn.Conv2d(half, out_channels, 1, bias=False)
        self.dropout = nn.Dropout2d(drop_rate)
        self.shortcut = nn.Conv2d(in_channels, out_channels, 1, bias=False)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        active = norm_relu(self.bn1, x)
        out = self.dropout(norm_relu(self.bn2, self.conv1(active)))
        out = self.dropout(norm_relu(self.bn3, self.conv2(out)))
        return self.conv3(out) + self.shortcut(active), active


@MODELS.register_module()
class ResNet38d(BaseModule):
    """Dilated Wide ResNet-38, output stride 8, 105.07 M parameters at full width.

    As in all the papers that use it, batch norms keep their ImageNet statistics and affine
    parameters, and the stem and stage 2 are frozen. To train it from scratch, free them:
    ``init_cfg=None, norm_eval=False, frozen_stages=-1``.

    Args:
        width: Multiplier of all widths, or the output widths of the stem and of stages 2 to 7
            (each divisible by 4; full width is ``(64, 128, 256, 512, 1024, 2048, 4096)``).
        out_indices: Which maps to return, in order: 3, 4, 5 the activated inputs of stages 4, 5, 6
            (256, 512, 1024 channels; stride 4, 8, 8), 6 the activated output (4096 channels, stride
            8).
        drop_rates: Channel dropout inside stages 6 and 7; 0.3/0.5 in PSA, SEAM, PPC, 0.2/0.2 in
            AEFT and KTSE.
        frozen_stages: The stem (1) and stages up to this one are not trained; -1 freezes nothing.
        norm_eval: Batch norms stay in eval mode and their affine parameters frozen.
        with_cp: Recompute block activations in the backward pass to save memory. Without
            ``norm_eval`` the running statistics then see each batch twice.
        init_cfg: ``dict(type='Pretrained', checkpoint=FILE)`` with a file that
            ``tools/model_converters/resnet38d_to_mmwsss.py`` made, or None.

    Raises:
        ValueError: Wrong ``width`` or ``out_indices``.
    """

    WIDTHS = (64, 128, 256, 512, 1024, 2048, 4096)
    DEPTHS = (3, 3, 6, 3)

    def __init__(self,
                 width: float | Sequence[int] = 1.0,
                 out_indices: Sequence[int] = (6, ),
                 drop_rates: tuple[float, float] = (0.3, 0.5),
                 frozen_stages: int = 2,
                 norm_eval: bool = True,
                 with_cp: bool = False,
                 init_cfg: dict | None = None):
        super().__init__(init_cfg)
        if isinstance(width, (int, float)):
            # Stages 6 and 7 divide their width by 4.
            width = [max(4, round(channels * width / 4) * 4) for channels in self.WIDTHS]
        if len(width) != 7 or any(channels < 4 or channels % 4 for channels in width):
            raise ValueError(
                'ResNet38d: width must be a number or 7 widths divisible by 4 (stem, stages 2-7), '
                f'got {width}')
        if not out_indices or any(index not in (3, 4, 5, 6) for index in out_indices):
            raise ValueError(
                f'ResNet38d: out_indices may hold 3, 4, 5, 6 (conv3 ... conv6), got {out_indices}')
        stem, w2, w3, w4, w5, w6, w7 = width
        self.out_indices = tuple(out_indices)
        channels = {3: w3, 4: w4, 5: w5, 6: w7}
        self.feat_channels = tuple(channels[index] for index in self.out_indices)
        self.out_channels = self.feat_channels[-1]
        self.frozen_stages = frozen_stages
        self.norm_eval = norm_eval
        self.with_cp = with_cp

        self.stem = nn.Conv2d(3, stem, 3, padding=1, bias=False)
        in_channels = stem
        for stage, (out_channels, depth) in enumerate(zip((w2, w3, w4), self.DEPTHS), 2):
            blocks = [BasicBlock(in_channels, out_channels, out_channels, stride=2)]
            blocks += [BasicBlock(out_channels, out_channels, out_channels)
                       for _ in range(depth - 1)]
            setattr(self, f'stage{stage}', nn.ModuleList(blocks))
            in_channels = out_channels
        self.stage5 = nn.ModuleList([
            BasicBlock(w4, w5 // 2, w5, dilations=(1, 2)),
            BasicBlock(w5, w5 // 2, w5, dilations=(2, 2)),
            BasicBlock(w5, w5 // 2, w5, dilations=(2, 2))])
        self.stage6 = nn.ModuleList([BottleneckBlock(w5, w6, 4, drop_rates[0])])
        self.stage7 = nn.ModuleList([BottleneckBlock(w6, w7, 4, drop_rates[1])])
        self.norm = nn.BatchNorm2d(w7)

        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, nonlinearity='relu')
        self._freeze()

    def init_weights(self) -> None:
        if not init_from_pretrained(self):
            super().init_weights()

    def _freeze(self) -> None:
        frozen = [self.stem] if self.frozen_stages >= 1 else []
        frozen += [getattr(self, f'stage{i}') for i in range(2, min(self.frozen_stages, 7) + 1)]
        if self.norm_eval:
            frozen += [m for m in self.modules() if isinstance(m, _BatchNorm)]
        for module in frozen:
            module.requires_grad_(False)
            if module is not self.stem:
                module.eval()

    def train(self, mode: bool = True) -> 'ResNet38d':
        super().train(mode)
        self._freeze()
        return self

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """
        Args:
            x: Normalised RGB images ``(N, 3, H, W)``.

        Returns:
            The maps that ``out_indices`` names.
        """
        taps = {}
        x = self.stem(x)
        for stage in range(2, 8):
            for i, block in enumerate(getattr(self, f'stage{stage}')):
                if self.with_cp and torch.is_grad_enabled():
                    x, active = checkpoint(block, x, use_reentrant=False)
                else:
                    x, active = block(x)
                if i == 0 and stage - 1 in self.out_indices:
                    taps[stage - 1] = active
        taps[6] = norm_relu(self.norm, x)
        return tuple(taps[index] for index in self.out_indices)
