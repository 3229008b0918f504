"""DeepLabV2 of deeplab-pytorch (kazuto1011), all its versions.

Of a file without ASPP (``deeplabv1_resnet101-coco.pth``, the usual initial weights) only the
backbone is taken, for ``init_cfg`` of ``configs/deeplab/deeplabv2_r101_voc_coco-init.py``. A whole
DeepLabV2 is for ``tools/test.py`` or ``load_from`` of the same config.
"""

import re
from typing import TYPE_CHECKING

from mmwsss.utils.convert import fit, read_torch, rename, run_converter

if TYPE_CHECKING:
    from torch import nn

LAYERS = dict(reduce=1, conv3x3=2, increase=3)
DEPTHS = {6: 50, 23: 101, 36: 152}


def rules(prefix: str) -> list:
    def block(match: re.Match) -> str:
        stage, number, part, kind, name = match.groups()
        layer = f'{kind}{LAYERS[part]}' if part in LAYERS else f'downsample.{int(kind == "bn")}'
        return f'{prefix}layer{int(stage) - 1}.{int(number) - 1}.{layer}.{name}'

    return [
        (r'layer1\.conv1\.conv\.weight', rf'{prefix}conv1.weight'),
        (r'layer1\.conv1\.bn\.(\w+)', rf'{prefix}bn1.\1'),
        (r'layer(\d)\.block(\d+)\.(reduce|conv3x3|increase|shortcut|proj)\.(conv|bn)\.(\w+)',
         block),
        (r'aspp\.(?:stages\.)?c(\d)\.(\w+)', r'decode_head.branches.\1.\2'),
    ]


def build(state: dict, prefix: str) -> 'dict | nn.Module':
    from mmwsss.models.backbones import DeepLabResNet
    from mmwsss.models.segmentors import DeepLabV2Head
    width = state[f'{prefix}conv1.weight'].shape[0]
    blocks = len([name for name in state if re.fullmatch(
        rf'{re.escape(prefix)}layer3\.\d+\.conv1\.weight', name)])
    backbone = DeepLabResNet(
        depth=DEPTHS.get(blocks, 101), stem_channels=width, base_channels=width, style='caffe')
    if not prefix:
        return backbone
    num_classes, channels = state['decode_head.branches.0.weight'].shape[:2]
    return dict(
        backbone=backbone, decode_head=DeepLabV2Head(channels, num_classes=num_classes))


def convert(src: str) -> dict:
    state = {re.sub(r'^(base|scale)\.', '', name): value
             for name, value in read_torch(src).items()}
    prefix = 'backbone.' if any(name.startswith('aspp.') for name in state) else ''
    return fit(rename(state, rules(prefix), [r'fc\..*'], src),
               lambda state: build(state, prefix), src)


if __name__ == '__main__':
    run_converter(convert, __doc__)
