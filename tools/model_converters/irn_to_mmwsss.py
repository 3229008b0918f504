"""IRN's CAM classifier (``resnet50_cam``) for a ``WSSSClassifier`` of mmpretrain's ResNet-50 and
GAPHead.

The original saves every weight under up to three names (``resnet50.*``, ``stage1.*`` and
``backbone.0.*``); any of them will do.
"""

from mmwsss.utils.convert import build_resnet50, fit, read_torch, rename, run_converter

RULES = [
    (r'resnet50\.(.+)', r'backbone.\1'),
    (r'(?:stage1|backbone\.0)\.0\.(.+)', r'backbone.conv1.\1'),
    (r'(?:stage1|backbone\.0)\.1\.(.+)', r'backbone.bn1.\1'),
    (r'(?:stage1|backbone\.0)\.4\.(.+)', r'backbone.layer1.\1'),
    (r'stage([234])\.0\.(.+)', r'backbone.layer\1.\2'),
    (r'backbone\.([123])\.0\.(.+)', lambda m: f'backbone.layer{int(m[1]) + 1}.{m[2]}'),
    (r'(?:classifier|newly_added\.0)\.weight', 'head.classifier.weight'),
]


def build(state: dict) -> dict:
    from mmwsss.models.heads import GAPHead
    num_classes, channels = state['head.classifier.weight'].shape[:2]
    return dict(
        backbone=build_resnet50(),
        head=GAPHead(num_classes, channels))


def convert(src: str) -> dict:
    return fit(rename(read_torch(src), RULES, [], src), build, src)


if __name__ == '__main__':
    run_converter(convert, __doc__)
