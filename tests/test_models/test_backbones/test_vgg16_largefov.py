import torch
from torch import nn

from mmwsss.models.backbones import VGG16LargeFOV


def test_layout_and_stride():
    model = VGG16LargeFOV(fc_channels=8).eval()
    convs = {name: m for name, m in model.named_modules() if isinstance(m, nn.Conv2d)}
    # The layer numbers of torchvision's vgg16.
    assert [n for n in convs if n.startswith('features')] == [
        f'features.{i}' for i in (0, 2, 5, 7, 10, 12, 14, 17, 19, 21, 24, 26, 28)]
    assert convs['features.28'].dilation == (2, 2) and convs['fc6'].dilation == (12, 12)
    (out, ) = model(torch.randn(1, 3, 64, 80))
    assert out.shape == (1, 8, 8, 10) and out.min() >= 0


def test_imagenet_weights_leave_only_the_new_layers(tmp_path):
    source, path = VGG16LargeFOV(fc_channels=4), tmp_path / 'vgg16.pth'
    state = {k: v for k, v in source.state_dict().items() if k.startswith('features')}
    torch.save({**state, 'classifier.0.weight': torch.ones(2, 2)}, path)
    model = VGG16LargeFOV(
        fc_channels=4, init_cfg=dict(type='Pretrained', checkpoint=str(path)))
    model.init_weights()
    assert torch.equal(model.features[28].weight, source.features[28].weight)
