"""ImageNet weights of ResNet38d for ``backbone.init_cfg``.

SRC is ``ilsvrc-cls_rna-a1_cls1000_ep-0001.params`` (MXNet, itijyou/ademxapp) or a PyTorch file in
the layout of PSA, SEAM, AEFT and KTSE; of a whole classifier only the backbone is taken.
"""

import re

from mmwsss.utils.convert import (
    fit,
    is_mxnet,
    read_mxnet,
    read_torch,
    rename,
    resnet38d_rules,
    resnet38d_widths,
    run_converter,
)

BATCH_NORM = dict(gamma='weight', beta='bias', moving_mean='running_mean',
                  moving_var='running_var')


def block(match: re.Match) -> str:
    """``res4b2_branch2a_weight`` to ``b4_2.conv_branch2a.weight``."""
    kind, stage, number, branch, name = match.groups()
    kind = 'conv' if kind == 'res' else 'bn'
    number = f'_{number}' if number else ''
    return f'b{stage}{number}.{kind}_{branch}.{BATCH_NORM.get(name, name)}'


# MXNet's names to those of PSA.
MXNET = [
    (r'(?:arg:)?conv1a_weight', 'conv1a.weight'),
    (r'(?:arg:|aux:)?(res|bn)(\d)(?:a|b(\d))_(branch\w+?)_(weight|gamma|beta|moving_\w+)', block),
    (r'(?:arg:|aux:)?bn7_(gamma|beta|moving_\w+)', lambda m: f'bn7.{BATCH_NORM[m[1]]}'),
]
HEADS = [r'(?:arg:)?linear1000_\w+', r'(fc|f\d|bn8|gconv).*']


def convert(src: str) -> dict:
    from mmwsss.models.backbones import ResNet38d
    state = rename(read_mxnet(src), MXNET, HEADS, src) if is_mxnet(src) else read_torch(src)
    state = rename(state, resnet38d_rules(''), HEADS, src)
    return fit(state, lambda state: ResNet38d(resnet38d_widths(state, '')), src)


if __name__ == '__main__':
    run_converter(convert, __doc__)
