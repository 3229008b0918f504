import pytest
import torch
from torch import nn

from mmwsss.models.backbones import ResNet38d
from mmwsss.registry import MODELS


def small(**options):
    torch.manual_seed(0)
    return ResNet38d(width=1 / 16, **options)


def test_parameter_count_of_full_width():
    with torch.device('meta'):
        model = ResNet38d()
    assert round(sum(p.numel() for p in model.parameters()) / 1e6, 2) == 105.07
    assert model.feat_channels == (4096, ) and model.out_channels == 4096


def test_taps_have_the_strides_and_widths_of_the_paper():
    model = MODELS.build(dict(
        type='ResNet38d', width=(4, 8, 12, 16, 20, 24, 28), out_indices=(3, 4, 5, 6)))
    feats = model(torch.randn(2, 3, 32, 48))
    assert [tuple(f.shape) for f in feats] == [
        (2, 12, 8, 12), (2, 16, 4, 6), (2, 20, 4, 6), (2, 28, 4, 6)]
    assert model.feat_channels == (12, 16, 20, 28)
    assert all(f.min() >= 0 for f in feats)  # all are taken after a ReLU


def test_order_of_out_indices_is_kept():
    x = torch.randn(1, 3, 32, 32)
    straight = small(out_indices=(4, 6)).eval()(x)
    swapped = small(out_indices=(6, 4)).eval()(x)
    assert torch.equal(straight[0], swapped[1]) and torch.equal(straight[1], swapped[0])


def test_layout():
    """Dilations, strides and dropout of the digest's table."""
    model = small(drop_rates=(0.2, 0.25))
    convs = {name: (m.stride[0], m.dilation[0], m.padding[0], m.kernel_size[0])
             for name, m in model.named_modules() if isinstance(m, nn.Conv2d)}
    assert convs['stem'] == (1, 1, 1, 3)
    assert [len(getattr(model, f'stage{i}')) for i in range(2, 8)] == [3, 3, 6, 3, 1, 1]
    for stage in (2, 3, 4):
        assert convs[f'stage{stage}.0.conv1'] == (2, 1, 1, 3)
        assert convs[f'stage{stage}.0.shortcut'] == (2, 1, 0, 1)
        assert convs[f'stage{stage}.1.conv1'] == (1, 1, 1, 3)
        assert f'stage{stage}.1.shortcut' not in convs
    assert convs['stage5.0.conv1'] == (1, 1, 1, 3) and convs['stage5.0.conv2'] == (1, 2, 2, 3)
    assert convs['stage5.2.conv1'] == convs['stage5.2.conv2'] == (1, 2, 2, 3)
    for stage in (6, 7):
        assert convs[f'stage{stage}.0.conv2'] == (1, 4, 4, 3)
        assert convs[f'stage{stage}.0.shortcut'] == (1, 1, 0, 1)
    assert model.stage6[0].dropout.p == 0.2 and model.stage7[0].dropout.p == 0.25
    assert not any(m.bias is not None for m in model.modules() if isinstance(m, nn.Conv2d))


def test_what_is_frozen():
    model = small().train()
    trained = {name for name, p in model.named_parameters() if p.requires_grad}
    assert not any(n.startswith(('stem', 'stage2')) or 'bn' in n or 'norm' in n for n in trained)
    assert 'stage3.0.conv1.weight' in trained and 'stage7.0.conv3.weight' in trained
    assert not any(m.training for m in model.modules() if isinstance(m, nn.BatchNorm2d))
    assert model.stage7[0].dropout.training

    free = small(frozen_stages=-1, norm_eval=False).train()
    assert all(p.requires_grad for p in free.parameters())
    assert all(m.training for m in free.modules())


def test_checkpointing_changes_nothing():
    x = torch.randn(1, 3, 32, 32)
    grads = []
    for with_cp in (False, True):
        model = small(with_cp=with_cp).train()
        torch.manual_seed(1)
        model(x)[0].sum().backward()
        grads.append([p.grad for p in model.parameters() if p.grad is not None])
    assert len(grads[0]) == len(grads[1]) > 10
    assert all(torch.allclose(a, b, rtol=1e-4, atol=1e-6) for a, b in zip(*grads))


@pytest.mark.parametrize('options, word', [
    (dict(width=(4, 8)), 'width'), (dict(width=(4, 8, 8, 8, 8, 8, 6)), 'width'),
    (dict(out_indices=(0, 7)), 'out_indices'), (dict(out_indices=()), 'out_indices')])
def test_wrong_options_are_named(options, word):
    with pytest.raises(ValueError, match=word):
        ResNet38d(**options)


def test_pretrained_weights_are_loaded_whole_or_refused(tmp_path):
    source, path = small(), tmp_path / 'w.pth'
    torch.save(dict(state_dict=source.state_dict()), path)
    model = ResNet38d(width=1 / 16, init_cfg=dict(type='Pretrained', checkpoint=str(path)))
    model.init_weights()
    assert torch.equal(model.stage5[0].conv1.weight, source.stage5[0].conv1.weight)

    state = source.state_dict()
    del state['stage5.0.conv1.weight']
    torch.save(state, path)
    model = ResNet38d(width=1 / 16, init_cfg=dict(type='Pretrained', checkpoint=str(path)))
    with pytest.raises(ValueError, match='missing.*stage5.0.conv1.weight'):
        model.init_weights()
    torch.save(dict(state_dict=ResNet38d(width=1 / 8).state_dict()), path)
    with pytest.raises(ValueError, match='shape'):
        model.init_weights()
