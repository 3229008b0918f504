import pytest
import torch

from mmwsss.models.backbones import DeepLabResNet

SMALL = dict(depth=101, stem_channels=4, base_channels=4, strides=(1, 2, 1, 1),
             dilations=(1, 1, 2, 4), out_indices=(3, ))


def torchvision_resnet101(width=4):
    """Names and shapes of torchvision's resnet101 at a width of 4 instead of 64."""
    def norm(name, channels):
        keys = ('weight', 'bias', 'running_mean', 'running_var')
        return {**{f'{name}.{key}': torch.rand(channels) for key in keys},
                f'{name}.num_batches_tracked': torch.tensor(7)}

    state = {'conv1.weight': torch.randn(width, 3, 7, 7), **norm('bn1', width)}
    channels = width
    for stage, depth in enumerate((3, 4, 23, 3), 1):
        mid = width * 2**(stage - 1)
        for block in range(depth):
            name = f'layer{stage}.{block}'
            shapes = ((mid, channels, 1), (mid, mid, 3), (4 * mid, mid, 1))
            for i, (out, inner, kernel) in enumerate(shapes, 1):
                state[f'{name}.conv{i}.weight'] = torch.randn(out, inner, kernel, kernel)
                state.update(norm(f'{name}.bn{i}', out))
            if block == 0:
                state[f'{name}.downsample.0.weight'] = torch.randn(4 * mid, channels, 1, 1)
                state.update(norm(f'{name}.downsample.1', 4 * mid))
            channels = 4 * mid
    return {**state, 'fc.weight': torch.randn(10, channels), 'fc.bias': torch.randn(10)}


def test_torchvision_weights_load_whole(tmp_path):
    state, path = torchvision_resnet101(), tmp_path / 'resnet101.pth'
    torch.save(state, path)
    init = dict(type='Pretrained', checkpoint=str(path))
    model = DeepLabResNet(**SMALL, init_cfg=init)
    model.init_weights()
    own = model.state_dict()
    assert own.keys() == {key for key in state if not key.startswith('fc.')}
    assert all(torch.equal(value, state[key]) for key, value in own.items())
    del state['layer3.22.conv2.weight']
    torch.save(state, path)
    with pytest.raises(ValueError, match='layer3.22.conv2.weight'):
        DeepLabResNet(**SMALL, init_cfg=init).init_weights()


@pytest.mark.parametrize('ceil_mode, side', [(False, 9), (True, 10)])
def test_pooling(ceil_mode, side):
    model = DeepLabResNet(**{**SMALL, 'depth': 50, 'out_indices': (0, 3)}, ceil_mode=ceil_mode)
    model.eval()  # mmseg's returns nothing
    low, last = model(torch.randn(1, 3, 36, 36))
    assert low.shape[2:] == (side, side) and last.shape[2:] == (5, 5)
