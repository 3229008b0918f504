import pytest
import torch
from mmcv.cnn import ConvModule
from mmpretrain.models.backbones import ResNet
from torch import nn

from mmwsss.models.backbones import ResNet38d
from mmwsss.models.utils.folding import prepared_convolutions

BatchNormAct2d = pytest.importorskip('timm.layers').BatchNormAct2d


def with_statistics(model):
    """Norms as after a training."""
    generator = torch.Generator().manual_seed(0)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            tensors = [(module.running_mean, -.2, .2), (module.running_var, .5, 1.5)]
            if module.affine:
                tensors += [(module.weight.data, .5, 1.5), (module.bias.data, -.2, .2)]
            for tensor, low, high in tensors:
                tensor.uniform_(low, high, generator=generator)
    model.eval()  # mmpretrain's returns nothing
    return model


def count(model):
    return sum(isinstance(module, nn.BatchNorm2d) for module in model.modules())


@pytest.mark.parametrize(('build', 'left'), [
    (lambda: ResNet(50, base_channels=8, stem_channels=8, out_indices=(3, )), 0),
    (lambda: ResNet(18, base_channels=8, stem_channels=8, out_indices=(3, ), deep_stem=True), 0),
    (lambda: nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4, affine=False), nn.ReLU()), 0),
    (lambda: nn.Sequential(ConvModule(3, 4, 3, norm_cfg=dict(type='BN'))), 0),
    (lambda: nn.Sequential(nn.BatchNorm2d(3), nn.Conv2d(3, 4, 3)), 1),
    (lambda: nn.Sequential(nn.Conv2d(3, 4, 3), BatchNormAct2d(4)), 1),  # it is a ReLU, too
    (lambda: nn.Sequential(ConvModule(
        3, 4, 3, norm_cfg=dict(type='BN'), order=('norm', 'conv', 'act'))), 1),
])
def test_the_same_function_and_the_same_parameters_afterwards(build, left):
    torch.manual_seed(0)
    model = with_statistics(build())
    before = {key: (value, value.clone())
              for key, value in model.state_dict(keep_vars=True).items()}
    images = torch.randn(2, 3, 40, 32)
    with torch.no_grad():
        expected = outputs(model(images))
        with prepared_convolutions(model):
            assert count(model) == left
            found = outputs(model(images))
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-4)
    after = model.state_dict(keep_vars=True)
    assert list(after) == list(before)
    assert all(after[key] is value and torch.equal(value, copy)
               for key, (value, copy) in before.items())


def outputs(result):
    return list(result) if isinstance(result, (tuple, list)) else [result]


def test_norms_that_learn_or_come_first_are_left_alone():
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4)).train()
    with prepared_convolutions(model):
        assert count(model) == 1
    backbone = ResNet38d(width=1 / 16).eval()
    norms = count(backbone)
    with prepared_convolutions(backbone):
        assert count(backbone) == norms


def test_an_error_leaves_the_model_as_it_was():
    model = with_statistics(nn.Sequential(nn.Conv2d(3, 4, 3, bias=False), nn.BatchNorm2d(4)))
    weight = model[0].weight
    with pytest.raises(RuntimeError, match='stop'), prepared_convolutions(model):
        assert count(model) == 0
        raise RuntimeError('stop')
    assert model[0].weight is weight and model[0].bias is None and count(model) == 1
