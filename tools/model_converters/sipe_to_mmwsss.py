"""A SIPE classifier (``resnet50_SIPE``) for a ``WSSSClassifier`` of mmpretrain's ResNet-50 and
SIPEHead.

The original saves every weight under up to three names (``resnet50.*``, ``stage1.*`` and
``backbone.1.*``); any of them will do.
"""

from mmwsss.utils.convert import build_resnet50, fit, read_torch, rename, run_converter

RULES = [
    (r'resnet50\.(.+)', r'backbone.\1'),
    (r'(?:stage0|backbone\.0)\.0\.(.+)', r'backbone.conv1.\1'),
    (r'(?:stage0|backbone\.0)\.1\.(.+)', r'backbone.bn1.\1'),
    (r'(?:stage|backbone\.)([1234])\.0\.(.+)', r'backbone.layer\1.\2'),
    (r'(?:classifier|newly_added\.0)\.weight', 'head.classifier.weight'),
    (r'(?:side|newly_added\.)([1234])\.weight',
     lambda m: f'head.sides.{int(m[1]) - 1}.weight'),
]


def build(state: dict) -> dict:
    from mmwsss.models.heads import SIPEHead
    num_classes = state['head.classifier.weight'].shape[0]
    side, channels = zip(*(state[f'head.sides.{i}.weight'].shape[:2] for i in range(4)))
    return dict(
        backbone=build_resnet50(),
        head=SIPEHead(num_classes, channels, side))


def convert(src: str) -> dict:
    return fit(rename(read_torch(src), RULES, [], src), build, src)


if __name__ == '__main__':
    run_converter(convert, __doc__)
