"""A SEAM classifier (``resnet38_SEAM``) for a ``WSSSClassifier`` of ResNet38d and SEAMHead."""

from mmwsss.utils.convert import (
    fit,
    read_torch,
    rename,
    resnet38d_rules,
    resnet38d_widths,
    run_converter,
)

RULES = resnet38d_rules() + [
    (r'fc8\.weight', 'head.classifier.weight'),
    (r'f8_3\.weight', 'head.pcm.reduce.0.weight'),
    (r'f8_4\.weight', 'head.pcm.reduce.1.weight'),
    (r'f9\.weight', 'head.pcm.join.weight'),
]


def build(state: dict) -> dict:
    from mmwsss.models.backbones import ResNet38d
    from mmwsss.models.heads import SEAMHead
    scores, channels = state['head.classifier.weight'].shape[:2]
    low = [state[f'head.pcm.reduce.{i}.weight'].shape[:2] for i in range(2)]
    return dict(
        backbone=ResNet38d(resnet38d_widths(state)),
        head=SEAMHead(
            scores - 1, [low[0][1], low[1][1], channels], mid_channels=[low[0][0], low[1][0]],
            pcm_channels=state['head.pcm.join.weight'].shape[0]))


def convert(src: str) -> dict:
    return fit(rename(read_torch(src), RULES, [], src), build, src)


if __name__ == '__main__':
    run_converter(convert, __doc__)
