"""Xception-65 of TensorFlow's DeepLab, read without TensorFlow.

SRC is the ``.index`` file of a checkpoint (its ``.data-...`` beside it), or an ``.npz`` of its
variables by name. ImageNet weights are for ``init_cfg`` of ``configs/deeplab/
deeplabv3plus_x65_voc.py``, and so are timm's ``tf_xception_65`` as they are; a whole DeepLabV3+ is
for ``tools/test.py`` or ``load_from`` of that config.
"""

import re
from typing import TYPE_CHECKING

import numpy as np

from mmwsss.utils.convert import fit, rename, run_converter

if TYPE_CHECKING:
    from torch import Tensor, nn

BATCH_NORM = dict(gamma='weight', beta='bias', moving_mean='running_mean',
                  moving_variance='running_var')
UNUSED = [r'global_step', r'.*/(Momentum|Adam\w*|RMSProp\w*|ExponentialMovingAverage)',
          r'xception_65/logits/.*']
# The last part of a variable's name: weights, or batch norm.
LEAF = r'(weights|depthwise_weights|BatchNorm/\w+)'


def leaf(name: str, conv: str = 'conv', norm: str = 'bn') -> str:
    """``weights`` to ``conv.weight``, ``BatchNorm/gamma`` to ``bn.weight``."""
    return f'{norm}.{BATCH_NORM[name[10:]]}' if '/' in name else f'{conv}.weight'


def rules(prefix: str, middle_blocks: int) -> list:
    first = dict(entry=-1, middle=2, exit=2 + middle_blocks)

    def block(match: re.Match) -> str:
        flow, group, unit, part, name = match.groups()
        number = first[flow] + int(unit if flow == 'middle' else group)
        if part == 'shortcut':
            layer = f'shortcut.{leaf(name)}'
        else:
            kind = 'dw' if part.endswith('depthwise') else 'pw'
            layer = f'stack.conv{part[14]}.{leaf(name, f"conv_{kind}", f"bn_{kind}")}'
        return f'{prefix}blocks.{number}.{layer}'

    def plain(target: str):
        return lambda match: f'{target}.{leaf(match[match.lastindex])}'

    def separable(target: str):
        return lambda match: (f'{target}.{match[1]}.{match[2]}_conv.{leaf(match[3])}')

    return [
        (rf'xception_65/entry_flow/conv1_([12])/{LEAF}',
         lambda match: f'{prefix}stem.{int(match[1]) - 1}.{leaf(match[2])}'),
        (r'xception_65/(entry|middle|exit)_flow/block(\d)/unit_(\d+)/xception_module/'
         rf'(shortcut|separable_conv\d_(?:depthwise|pointwise))/{LEAF}', block),
        (rf'image_pooling/{LEAF}', plain('decode_head.image_pool.1')),
        (rf'aspp0/{LEAF}', plain('decode_head.aspp_modules.0')),
        (rf'aspp(\d)_(depthwise|pointwise)/{LEAF}', separable('decode_head.aspp_modules')),
        (rf'concat_projection/{LEAF}', plain('decode_head.bottleneck.0')),
        (rf'decoder/feature_projection0/{LEAF}', plain('decode_head.c1_bottleneck')),
        (rf'decoder/decoder_conv(\d)_(depthwise|pointwise)/{LEAF}',
         separable('decode_head.sep_bottleneck')),
        (r'logits/semantic/weights', 'decode_head.conv_seg.weight'),
        (r'logits/semantic/biases', 'decode_head.conv_seg.bias'),
    ]


def to_torch(name: str, value: 'Tensor') -> 'Tensor':
    """Height, width, in, out to PyTorch's order of a convolution's weight."""
    if value.ndim != 4:
        return value
    return value.permute(2, 3, 0, 1) if name.endswith('depthwise_weights') else value.permute(
        3, 2, 0, 1)


def read(src: str) -> dict:
    if str(src).endswith('.npz'):
        import torch
        with np.load(src, allow_pickle=False) as file:
            return {name: torch.from_numpy(file[name]) for name in file.files}
    from mmwsss.utils.tf_checkpoint import read_tensorflow
    return read_tensorflow(src)


def build(state: dict, prefix: str, middle_blocks: int) -> 'dict | nn.Module':
    from mmwsss.models.backbones import Xception65
    from mmwsss.models.segmentors import DeepLabV3PlusHead
    last = state[f'{prefix}blocks.{middle_blocks + 4}.stack.conv3.conv_pw.weight']
    backbone = Xception65(width=last.shape[0] / 2048, middle_blocks=middle_blocks)
    if not prefix:
        return backbone
    channels, in_channels = state['decode_head.image_pool.1.conv.weight'].shape[:2]
    c1_channels, c1_in_channels = state['decode_head.c1_bottleneck.conv.weight'].shape[:2]
    return dict(backbone=backbone, decode_head=DeepLabV3PlusHead(
        in_channels=in_channels, channels=channels, c1_in_channels=c1_in_channels,
        c1_channels=c1_channels, num_classes=state['decode_head.conv_seg.weight'].shape[0],
        norm_cfg=dict(type='BN')))


def convert(src: str) -> dict:
    state = {name: to_torch(name, value).contiguous() for name, value in read(src).items()}
    units = [int(match[1]) for name in state
             if (match := re.match(r'xception_65/middle_flow/block1/unit_(\d+)/', name))]
    if not units:
        raise ValueError(f'"{src}" has no variables xception_65/middle_flow/...; it is the '
                         'checkpoint of another network')
    prefix = 'backbone.' if 'logits/semantic/weights' in state else ''
    return fit(rename(state, rules(prefix, max(units)), UNUSED, src),
               lambda state: build(state, prefix, max(units)), src)


if __name__ == '__main__':
    run_converter(convert, __doc__)
