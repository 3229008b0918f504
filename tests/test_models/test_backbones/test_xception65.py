import pytest
import torch
from torch import nn
from torch.nn import functional as F

from mmwsss.models.backbones import Xception65

SMALL = dict(width=1 / 16, middle_blocks=2)


def plain(state, x, output_stride):
    """The published network, from its table: blocks of (strided) separable convolutions."""
    def norm(x, name):
        return F.batch_norm(x, state[f'{name}.running_mean'], state[f'{name}.running_var'],
                            state[f'{name}.weight'], state[f'{name}.bias'], eps=1e-3)

    def separable(x, name, stride, rate, inside):
        act = F.relu if inside else (lambda value: value)
        x = x if inside else F.relu(x)
        x = F.conv2d(x, state[f'{name}.conv_dw.weight'], None, stride, rate, rate, x.shape[1])
        x = act(norm(x, f'{name}.bn_dw'))
        return act(norm(F.conv2d(x, state[f'{name}.conv_pw.weight']), f'{name}.bn_pw'))

    x = F.relu(norm(F.conv2d(x, state['stem.0.conv.weight'], None, 2, 1), 'stem.0.bn'))
    x = F.relu(norm(F.conv2d(x, state['stem.1.conv.weight'], None, 1, 1), 'stem.1.bn'))
    # stride, rate and shortcut of entry 1-3, middle 1-2, exit 1-2
    table = dict([(8, [(2, 1), (2, 1), (1, 1), (1, 2), (1, 2), (1, 2), (1, 4)]),
                  (16, [(2, 1), (2, 1), (2, 1), (1, 1), (1, 1), (1, 1), (1, 2)]),
                  (32, [(2, 1), (2, 1), (2, 1), (1, 1), (1, 1), (2, 1), (1, 1)])])[output_stride]
    kinds = ['conv'] * 3 + ['sum'] * 2 + ['conv', 'none']
    for i, ((stride, rate), kind) in enumerate(zip(table, kinds)):
        out, name = x, f'blocks.{i}'
        for unit in (1, 2, 3):
            out = separable(out, f'{name}.stack.conv{unit}', stride if unit == 3 else 1, rate,
                            kind == 'none')
            if i == 1 and unit == 2:
                low = out
        if kind == 'sum':
            out = out + x
        elif kind == 'conv':
            out = out + norm(F.conv2d(x, state[f'{name}.shortcut.conv.weight'], None, stride),
                             f'{name}.shortcut.bn')
        x = out
    return low, x


@torch.no_grad()
@pytest.mark.parametrize('output_stride', [8, 16, 32])
def test_is_the_published_network(output_stride):
    torch.manual_seed(0)
    model = Xception65(**SMALL, output_stride=output_stride).eval()
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.normal_(std=0.1)
            module.running_var.uniform_(0.5, 2)
            module.bias.normal_()
    x = torch.randn(1, 3, 65, 49)
    low, last = model(x)
    assert low.shape == (1, 16, 17, 13)
    assert last.shape == (1, 128, 64 // output_stride + 1, 48 // output_stride + 1)
    for got, want in zip((low, last), plain(model.state_dict(), x, output_stride)):
        torch.testing.assert_close(got, want)


def test_full_size():
    with torch.device('meta'):
        model = Xception65()
    widths = [block.stack['conv3'].conv_pw.out_channels for block in model.blocks]
    assert widths == [128, 256] + 17 * [728] + [1024, 2048]
    assert model.feat_channels == (256, 2048)
    # 65 weighted layers: two of the stem, three separable ones a block, and the classifier.
    assert 2 + 3 * len(model.blocks) - 1 == 65 - 1


def timm_state(model):
    """As timm saves it: the classifier beside the trunk."""
    classifier = {'head.fc.weight': torch.ones(4, 128), 'head.fc.bias': torch.ones(4)}
    return {**model.state_dict(), **classifier}


def test_timm_weights_load_whole(tmp_path):
    source = Xception65(**SMALL)
    torch.save(timm_state(source), tmp_path / 'x.pth')
    init = dict(type='Pretrained', checkpoint=str(tmp_path / 'x.pth'))
    model = Xception65(**SMALL, init_cfg=init)
    model.init_weights()
    assert all(torch.equal(value, source.state_dict()[key])
               for key, value in model.state_dict().items())
    other = Xception65(width=1 / 16, middle_blocks=3, init_cfg=init)
    with pytest.raises(ValueError, match='does not fit|shape'):
        other.init_weights()


def test_wrong_stride():
    with pytest.raises(ValueError, match='output_stride=4'):
        Xception65(**SMALL, output_stride=4)


def test_norm_eval():
    model = Xception65(**SMALL, norm_eval=True).train()
    assert not any(m.training for m in model.modules() if isinstance(m, nn.BatchNorm2d))
