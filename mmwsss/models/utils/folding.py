"""Convolutions made ready for an inference: batch norms folded in, weights channels last."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from mmcv.cnn import ConvModule
from torch import nn

# Not their children: timm's BatchNormAct2d has an activation, too.
NORMS = (nn.BatchNorm2d, nn.SyncBatchNorm)
# Files whose blocks and stems apply norm1 to the output of conv1, and so on.
RESIDUAL = ('mmpretrain.models.backbones.resnet', 'mmseg.models.backbones.resnet')


def _pairs(model: nn.Module) -> Iterator[tuple[nn.Conv2d, nn.Module, str]]:
    """Convolution, parent of the norm and the norm's name, only where the code is known to hand
    the convolution's output to the norm and to nothing else."""
    for module in model.modules():
        if type(module) is nn.Sequential:
            children = list(module.named_children())
            pairs = [(conv, name) for (_, conv), (name, _) in zip(children, children[1:])]
        elif isinstance(module, ConvModule):
            pairs = []
            if module.with_norm and module.order[:2] == ('conv', 'norm'):
                pairs = [(module.conv, module.norm_name)]
        elif type(module).__module__ in RESIDUAL:
            pairs = [(getattr(module, f'conv{i}', None), getattr(module, f'norm{i}_name', ''))
                     for i in range(1, 4)]
        else:
            continue
        for conv, name in pairs:
            norm = module._modules.get(name)
            if (type(conv) is nn.Conv2d and type(norm) in NORMS and not norm.training
                    and norm.track_running_stats and conv.out_channels == norm.num_features):
                yield conv, module, name


@contextmanager
def prepared_convolutions(model: nn.Module) -> Iterator[None]:
    """Fold the frozen batch norms of a model in evaluation mode into the convolutions before them.

    ``w' = w g``, ``b' = (b - mean) g + shift`` with ``g = scale / sqrt(var + eps)``: the same
    function but for rounding. It covers ``nn.Sequential``, mmcv's ``ConvModule`` and the residual
    networks of mmpretrain and mmseg; other norms (those of ResNet38d, which come before their
    convolutions) are left alone. On a CPU the weights of all convolutions are in the memory format
    ``channels_last``, as the images are, so that they are not converted at every call. At the end
    the model's own parameters are back, untouched.

    Args:
        model: In evaluation mode; norms that are not are left alone.
    """
    kept, weights = [], []
    try:
        with torch.no_grad():
            for conv, parent, name in list(_pairs(model)):
                norm = parent._modules[name]
                kept.append((conv, conv.weight, conv.bias, parent, name, norm))
                gain = torch.rsqrt(norm.running_var + norm.eps)
                if norm.affine:
                    gain = gain * norm.weight
                bias = -norm.running_mean if conv.bias is None else conv.bias - norm.running_mean
                bias = bias * gain + (norm.bias if norm.affine else 0)
                weight = conv.weight * gain[:, None, None, None]
                conv.weight = nn.Parameter(weight, requires_grad=False)
                conv.bias = nn.Parameter(bias, requires_grad=False)
                parent._modules[name] = nn.Identity()
            for conv in model.modules():
                if type(conv) is nn.Conv2d and conv.weight.device.type == 'cpu':
                    weights.append((conv, conv.weight))
                    conv.weight = nn.Parameter(
                        conv.weight.contiguous(memory_format=torch.channels_last),
                        requires_grad=False)
        yield
    finally:
        for conv, weight in weights:
            conv.weight = weight
        for conv, weight, bias, parent, name, norm in kept:
            conv.weight, conv.bias, parent._modules[name] = weight, bias, norm
