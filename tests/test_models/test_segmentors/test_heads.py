"""Heads and losses against plain sums of their published rules."""

import math
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from mmengine.config import Config
from mmengine.optim import build_optim_wrapper
from mmengine.registry import init_default_scope
from mmengine.structures import PixelData
from mmseg.models.decode_heads.decode_head import BaseDecodeHead
from mmseg.structures import SegDataSample

import mmwsss.engine  # noqa: F401  (registers)
from mmwsss.models.segmentors import (
    ASPPPoolHead,
    BalancedCrossEntropyLoss,
    DeepLabV2Head,
    DeepLabV3PlusHead,
    LargeFOVHead,
)
from mmwsss.models.segmentors.losses import balanced_cross_entropy
from mmwsss.registry import MODELS

CONFIGS = Path(__file__).parents[3] / 'configs'


def randomize(module):
    """Batch norms that are not the identity."""
    torch.manual_seed(0)
    for m in module.modules():
        if isinstance(m, torch.nn.BatchNorm2d):
            torch.nn.init.uniform_(m.weight, 0.5, 2)
            torch.nn.init.normal_(m.bias)
            m.running_mean.normal_()
            m.running_var.uniform_(0.5, 2)
    return module.eval()


def conv(state, name, x, dilation=1, groups=1, relu=True):
    """``<name>.conv`` and ``<name>.bn`` by hand."""
    weight = state[f'{name}.conv.weight']
    x = F.conv2d(x, weight, padding=weight.shape[-1] // 2 * dilation, dilation=dilation,
                 groups=groups)
    mean, var, scale, shift = (
        state[f'{name}.bn.{key}'][:, None, None]
        for key in ('running_mean', 'running_var', 'weight', 'bias'))
    x = (x - mean) / (var + 1e-5).sqrt() * scale + shift
    return x.relu() if relu else x


@torch.no_grad()
def test_aspp_with_pooling():
    head = randomize(ASPPPoolHead(8, num_classes=5, channels=4, dilations=(2, 3, 4, 5)))
    state, x = head.state_dict(), torch.randn(2, 8, 9, 7)
    parts = [conv(state, 'image_pool.1', x.mean((2, 3), keepdim=True)).expand(-1, -1, 9, 7)]
    parts += [conv(state, f'aspp_modules.{i}', x, rate) for i, rate in enumerate((2, 3, 4, 5))]
    feature = conv(state, 'bottleneck.0', torch.cat(parts, 1))
    assert state['bottleneck.0.conv.weight'].shape == (4, 20, 1, 1)
    expected = F.conv2d(feature, state['conv_seg.weight'], state['conv_seg.bias'])
    torch.testing.assert_close(head([x]), expected)


def test_aspp_with_pooling_drops_twice():
    head = ASPPPoolHead(8, num_classes=5, channels=4)
    drops = [m for m in head.modules() if type(m) is torch.nn.Dropout]
    assert [drop.p for drop in drops] == [0.5, 0.5]
    assert [m.conv.dilation[0] for m in head.aspp_modules] == [6, 12, 18, 24]
    assert all(m.conv.kernel_size == (3, 3) for m in head.aspp_modules)


@torch.no_grad()
def test_large_field_of_view():
    head = LargeFOVHead(8, num_classes=5, channels=4, dilation=2)
    state, x = head.state_dict(), torch.randn(2, 8, 9, 7)
    hidden = F.conv2d(x, state['conv.weight'], state['conv.bias'], 1, 2, 2).relu()
    expected = F.conv2d(hidden, state['conv_seg.weight'], state['conv_seg.bias'], 1, 2, 2)
    torch.testing.assert_close(head([x]), expected)
    assert len(state) == 4
    head = LargeFOVHead(64, num_classes=21, channels=32)
    head.init_weights()
    bound = math.sqrt(6 / (9 * (64 + 32)))
    weight = head.conv.weight
    assert weight.abs().max() <= bound and weight.std().item() == pytest.approx(
        bound / math.sqrt(3), rel=0.05)


@torch.no_grad()
def test_decoder_of_v3plus():
    head = randomize(DeepLabV3PlusHead(
        in_channels=8, in_index=1, channels=6, c1_in_channels=3, c1_channels=2, num_classes=5,
        dilations=(1, 2, 3, 4), norm_cfg=dict(type='BN'), align_corners=True))
    state = head.state_dict()
    low, x = torch.randn(2, 3, 17, 13), torch.randn(2, 8, 5, 4)

    def separable(name, x, dilation=1):
        x = conv(state, f'{name}.depthwise_conv', x, dilation, groups=x.shape[1])
        return conv(state, f'{name}.pointwise_conv', x)

    parts = [conv(state, 'image_pool.1', x.mean((2, 3), keepdim=True)).expand(-1, -1, 5, 4),
             conv(state, 'aspp_modules.0', x)]
    parts += [separable(f'aspp_modules.{i}', x, rate) for i, rate in ((1, 2), (2, 3), (3, 4))]
    y = conv(state, 'bottleneck.0', torch.cat(parts, 1))
    y = F.interpolate(y, (17, 13), mode='bilinear', align_corners=True)
    y = torch.cat([y, conv(state, 'c1_bottleneck', low)], 1)
    y = separable('sep_bottleneck.1', separable('sep_bottleneck.0', y))
    expected = F.conv2d(y, state['conv_seg.weight'], state['conv_seg.bias'])
    torch.testing.assert_close(head([low, x]), expected)


def test_balanced_cross_entropy():
    logits = torch.randn(2, 3, 4, 5)
    labels = torch.tensor([0, 0, 0, 1, 2, 255])[torch.randint(0, 6, (2, 4, 5))]
    terms = dict(background=[], foreground=[])
    for n in range(2):
        for y in range(4):
            for x in range(5):
                label = labels[n, y, x].item()
                if label != 255:
                    loss = -logits[n, :, y, x].log_softmax(0)[label].item()
                    terms['foreground' if label else 'background'].append(loss)
    expected = sum(sum(values) / len(values) for values in terms.values())
    assert balanced_cross_entropy(logits, labels).item() == pytest.approx(expected, rel=1e-5)
    loss = BalancedCrossEntropyLoss(loss_weight=2.)
    assert loss(logits, labels).item() == pytest.approx(2 * expected, rel=1e-5)
    only = balanced_cross_entropy(logits, torch.zeros_like(labels)).item()
    assert only == pytest.approx(-logits.log_softmax(1)[:, 0].mean().item(), rel=1e-5)
    assert balanced_cross_entropy(logits, torch.full_like(labels, 255)).item() == 0
    with pytest.raises(ValueError, match='sampler'):
        loss(logits, labels, weight=torch.ones(2, 4, 5))


def test_balanced_cross_entropy_in_a_head():
    init_default_scope('mmwsss')
    head = LargeFOVHead(8, num_classes=3, loss_decode=dict(type='BalancedCrossEntropyLoss'))
    assert isinstance(head.loss_decode, BalancedCrossEntropyLoss)


@pytest.mark.parametrize('name, frozen, groups', [
    # rate of: pretrained weight, new weight, new bias; what is not trained
    ('deeplabv1_vgg16_voc', (), {'backbone.features.0.weight': (1e-3, 5e-4),
                                 'backbone.features.0.bias': (2e-3, 0.),
                                 'backbone.fc6.weight': (1e-2, 5e-4),
                                 'backbone.fc7.bias': (2e-2, 0.),
                                 'decode_head.conv_seg.weight': (1e-2, 5e-4)}),
    ('deeplabv2-aspp_r38_voc', ('backbone.stem.weight', 'backbone.norm.weight',
                                'decode_head.bottleneck.0.bn.weight'),
     {'backbone.stage2.0.conv1.weight': (1e-3, 5e-4),
      'decode_head.bottleneck.0.conv.weight': (1e-2, 5e-4),
      'decode_head.conv_seg.bias': (2e-2, 0.)}),
    ('deeplabv1_r38_mct_voc', ('backbone.stem.weight', ),
     {'backbone.stage2.0.conv1.weight': (7e-4, 0.), 'decode_head.conv.bias': (7e-3, 0.),
      'decode_head.conv_seg.weight': (7e-3, 0.)}),
])
def test_rates_are_the_published_ones(name, frozen, groups):
    init_default_scope('mmwsss')
    cfg = Config.fromfile(CONFIGS / f'deeplab/{name}.py')
    cfg.model.backbone.init_cfg = None
    with torch.device('meta'):
        model = MODELS.build(cfg.model)
    optimizer = build_optim_wrapper(model, cfg.optim_wrapper).optimizer
    names = {id(p): n for n, p in model.named_parameters()}
    found = {names[id(p)]: (pytest.approx(group['lr']), group['weight_decay'])
             for group in optimizer.param_groups for p in group['params']}
    for key, expected in groups.items():
        assert found[key] == expected, key
    assert not set(frozen) & set(found)


@pytest.mark.parametrize('losses', [
    None, [dict(type='mmseg.CrossEntropyLoss', avg_non_ignore=True),
           dict(type='mmseg.CrossEntropyLoss', loss_weight=0.5),
           dict(type='mmseg.CrossEntropyLoss', loss_name='loss_other')]])
def test_losses_and_accuracy_are_those_of_mmseg(losses):
    """The accuracy by a maximum, also where pixels are ignored; and nothing counts."""
    torch.manual_seed(0)
    head = DeepLabV2Head(4, 3, dilations=(1, ), loss_decode=losses)
    logits = torch.randn(2, 3, 5, 6, requires_grad=True)
    target = torch.randint(0, 3, (2, 1, 10, 12))
    target[:, :, :3] = 255
    for labels in (target, torch.full_like(target, 255)):
        samples = [SegDataSample(gt_sem_seg=PixelData(data=label)) for label in labels]
        ours = head.loss_by_feat(logits, samples)
        theirs = BaseDecodeHead.loss_by_feat(head, logits, samples)
        assert set(ours) == set(theirs)
        for name, value in theirs.items():
            torch.testing.assert_close(ours[name].reshape(-1), value.reshape(-1), equal_nan=True)
