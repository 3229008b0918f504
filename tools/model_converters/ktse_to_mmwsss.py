"""A whole KTSE or AEFT classifier (``Net_gpp``) for a ``WSSSClassifier`` of ResNet38d and GPPHead.

KTSE's has a background channel, AEFT's none; set ``head.background`` of the config accordingly.
"""

from mmwsss.utils.convert import (
    fit,
    read_torch,
    rename,
    resnet38d_rules,
    resnet38d_widths,
    run_converter,
)

SIGNS = dict(p='positive', n='negative')
RULES = resnet38d_rules() + [
    (r'fc8\.weight', 'head.embed.weight'),
    (r'fc9\.weight', 'head.classifier.weight'),
    (r'gconv(\d)\.att_([pn])\.0\.weight',
     lambda m: f'head.gpp.gates.{int(m[1]) - 1}.{SIGNS[m[2]]}.weight'),
]
UNUSED = [r'bn8\..*']  # made by the original but not part of its forward pass


def build(state: dict) -> dict:
    from mmwsss.models.backbones import ResNet38d
    from mmwsss.models.heads import GPPHead
    num_classes = state['head.gpp.gates.0.positive.weight'].shape[1] // 2
    scores = state['head.classifier.weight'].shape[0]
    embed, channels = state['head.embed.weight'].shape[:2]
    return dict(
        backbone=ResNet38d(resnet38d_widths(state)),
        head=GPPHead(num_classes, channels, embed, background=scores > num_classes))


def convert(src: str) -> dict:
    return fit(rename(read_torch(src), RULES, UNUSED, src), build, src)


if __name__ == '__main__':
    run_converter(convert, __doc__)
