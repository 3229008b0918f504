import pytest
import torch
import torch.nn.functional as F
from torch import nn

from mmwsss.models.backbones import ResNet38d, resnet38d
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


def kept_bytes(model, x):
    """Of what autograd keeps beside the weights."""
    weights = {p.data_ptr() for p in model.parameters()}
    kept = {}

    def pack(tensor):
        if tensor.data_ptr() not in weights:
            kept[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        out = model(x)
    return sum(kept.values()), out


@pytest.mark.parametrize('amp', [False, True])
def test_frozen_norms_equal_batch_norm_and_relu_and_keep_less(monkeypatch, amp):
    model = small().train()
    for norm in model.modules():
        if isinstance(norm, nn.BatchNorm2d):
            norm.running_mean.normal_(0, 0.1)
            norm.running_var.uniform_(0.5, 2)
            norm.weight.data.uniform_(-1, 1.5)
            norm.bias.data.normal_(0, 0.1)
    x = torch.randn(2, 3, 32, 40)
    found = []
    for plain in (False, True):
        if plain:
            monkeypatch.setattr(resnet38d, 'norm_relu', lambda norm, y: F.relu(norm(y)))
        model.zero_grad()
        torch.manual_seed(1)
        with torch.autocast('cpu', torch.bfloat16, enabled=amp):
            kept, (out, ) = kept_bytes(model, x)
        out.float().square().mean().backward()
        found.append((kept, out, [p.grad for p in model.parameters() if p.grad is not None]))
    assert found[0][1].equal(found[1][1])
    if not amp:  # which also keeps the weights that it casts
        assert found[0][0] < 0.65 * found[1][0]
    for got, expected in zip(found[0][2], found[1][2]):
        scale = expected.abs().max().item()
        torch.testing.assert_close(got, expected, rtol=0, atol=(0.03 if amp else 1e-5) * scale)


def test_norms_that_learn_are_left_alone():
    model = small(norm_eval=False, frozen_stages=-1)
    for mode in (True, False):
        model.train(mode).zero_grad()
        model(torch.randn(2, 3, 32, 32))[0].sum().backward()
        assert all(p.grad is not None for p in model.parameters())


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
