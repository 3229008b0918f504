"""Mistakes in backbones, heads, modules and data of one's own are told by their name."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from mmwsss.models import WSSSClassifier
from mmwsss.models.heads import CAMOutput
from mmwsss.models.modules import WSSSModule
from mmwsss.models.utils.loss_terms import ConstantTerms
from mmwsss.registry import MODELS
from mmwsss.structures import WSSSDataSample
from mmwsss.utils.errors import explain

C = 3


@MODELS.register_module(force=True)
class PlainNet(nn.Module):
    """A backbone of plain torch, ``gives`` is applied to its map."""

    def __init__(self, gives=lambda x: (x, )):
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 3, stride=4, padding=1)
        self.norm = nn.BatchNorm2d(8)
        self.gives = gives

    def forward(self, x):
        return self.gives(self.norm(self.conv(x)))


@MODELS.register_module(force=True)
class PlainHead(nn.Module):
    """A head of plain torch, ``gives`` is applied to cam, logits and features, ``trains`` to the
    loss."""

    num_classes = C

    def __init__(self, gives=CAMOutput, trains=lambda loss: dict(loss_cls=loss)):
        super().__init__()
        self.conv = nn.Conv2d(8, C, 1)
        self.gives, self.trains = gives, trains

    def forward(self, feats):
        cam = self.conv(feats[-1])
        return self.gives(cam, cam.mean((2, 3)), None, tuple(feats))

    def loss(self, output, labels):
        return self.trains(F.binary_cross_entropy_with_logits(output.logits, labels))


def build(backbone=None, head=None, modules=(), **options):
    torch.manual_seed(0)
    return WSSSClassifier(backbone or dict(type=PlainNet), head or dict(type=PlainHead),
                          [dict(type=module) for module in modules], **options)


def sample(**inputs):
    pixels = torch.randint(256, (3, 32, 32), dtype=torch.uint8)
    row = WSSSDataSample(gt_label=torch.ones(C), metainfo=dict(ori_shape=(40, 48)))
    return dict(inputs=dict(dict(image=pixels), **inputs), data_samples=dict(image=row))


def step(model):
    rows = [WSSSDataSample(gt_label=torch.ones(C)) for _ in range(4)]
    return model(dict(image=torch.randn(4, 3, 32, 32)), dict(image=rows), mode='loss')


def one_line(error, *parts):
    text = explain(error)
    assert text and '\n' not in text
    for part in parts:
        assert part in text, text


def test_right_parts_pass():
    model = build()
    model.check_sample(sample())
    assert set(step(model)) == {'loss_cls'}
    build(dict(type=PlainNet, gives=lambda x: [x])).check_sample(sample())


# -- what they give in a step ----------------------------------------------------------------------
@pytest.mark.parametrize('gives, said', [
    (lambda x: x, 'not Tensor (4, 8, 8, 8)'), (lambda x: None, 'not NoneType'),
    (lambda x: dict(out=x), 'not dict'), (lambda x: (), 'not tuple of nothing'),
    (lambda x: (x.mean((2, 3)), ), 'not tuple of Tensor (4, 8)'),
    (lambda x: (x.flatten(0, 1), ), 'not tuple of Tensor (32, 8, 8)'),
    (lambda x: (x, None), 'not tuple of Tensor (4, 8, 8, 8), NoneType')])
def test_what_a_backbone_gives(gives, said):
    model = build(dict(type=PlainNet, gives=gives))
    with pytest.raises(TypeError) as error:
        step(model)
    one_line(error.value, 'the backbone PlainNet must give a tuple of feature maps', said,
             'return (x, )')
    with pytest.raises(TypeError, match='the backbone PlainNet'):
        model.check_sample(sample())


@pytest.mark.parametrize('gives, error, said', [
    (lambda *parts: parts[:2], TypeError, 'not tuple of Tensor (4, 3, 8, 8), Tensor (4, 3)'),
    (lambda cam, *_: cam, TypeError, 'not Tensor (4, 3, 8, 8)'),
    (lambda cam, logits, *_: dict(cam=cam, logits=logits), TypeError, 'not dict'),
    (lambda *_: None, TypeError, 'not NoneType'),
    (lambda cam, *_: CAMOutput(cam, None), TypeError, 'must give CAMOutput(cam, logits'),
    (lambda cam, logits, _, feats: CAMOutput(cam, logits, None, feats[-1]), TypeError,
     'feats of its CAMOutput must be a tuple of maps, not Tensor'),
    (lambda cam, logits, *_: CAMOutput(logits, cam), ValueError, 'not cam (4, 3) and logits'),
    (lambda cam, logits, *_: CAMOutput(cam.flatten(2), logits), ValueError, 'not cam (4, 3, 64)'),
    (lambda cam, logits, *_: CAMOutput(cam, logits[..., None]), ValueError, 'logits (4, 3, 1)'),
    (lambda cam, logits, *_: CAMOutput(torch.cat([cam, cam[:, :1]], 1), logits), ValueError,
     'C=3 (its num_classes, without background, whose score is bg), not cam (4, 4, 8, 8)'),
    (lambda cam, logits, *_: CAMOutput(cam[:, :2], logits), ValueError, 'not cam (4, 2, 8, 8)')])
def test_what_a_head_gives(gives, error, said):
    model = build(head=dict(type=PlainHead, gives=gives))
    with pytest.raises(error) as caught:
        step(model)
    one_line(caught.value, 'the head PlainHead', said)
    with pytest.raises(error, match='the head PlainHead'):
        model.check_sample(sample())


@pytest.mark.parametrize('trains, error, said', [
    (lambda loss: loss, TypeError, 'must give a dict of tensors by name, not Tensor'),
    (lambda loss: dict(loss_cls=float(loss)), TypeError, "not {'loss_cls': 'float'}"),
    (lambda loss: dict(cls=loss), ValueError, "['cls'], of which nothing is learned")])
def test_what_the_loss_of_a_head_gives(trains, error, said):
    with pytest.raises(error) as caught:
        step(build(head=dict(type=PlainHead, trains=trains)))
    one_line(caught.value, 'PlainHead.loss', said)


def test_a_head_without_loss():
    class Silent(PlainHead):
        loss = property()  # as if there were none

    with pytest.raises(TypeError, match=r'the head Silent needs a method loss\(output, labels\)'):
        build(head=dict(type=Silent)).check_sample(sample())


# -- inference, before the training ----------------------------------------------------------------
class NoImage(PlainHead):
    needs_image = True

    def forward(self, feats, image):
        return super().forward(feats)

    def infer_cam(self, output):
        return output.cam


class Logits(PlainHead):
    def infer_cam(self, output):
        return output.logits


class Fewer(PlainHead):
    def infer_cam(self, output):
        return output.cam[:, :2]


class NaN(PlainHead):
    def infer_cam(self, output):
        return output.cam * float('nan')


class NoScores(PlainHead):
    own_background = True


class NoBackground(NoScores):
    def infer_scores(self, output, flip):
        return output.cam[:1]


class Both(NoScores):
    def infer_scores(self, output, flip):
        return torch.cat([output.cam[:, :1], output.cam], 1)


class OneSize(PlainHead):
    def infer_cam(self, output):
        return output.cam + torch.zeros(8, 8)


@pytest.mark.parametrize('head, said', [
    (NoImage, 'inference (PlainNet, NoImage.infer_cam) fails on an image of 20 x 24 pixels: '
              'TypeError: '),
    (Logits, 'Logits.infer_cam must give maps (N, C, h, w), for this image (1, 3, h, w), not '
             'Tensor (1, 3)'),
    (Fewer, 'not Tensor (1, 2, 5, 6)'), (NaN, 'NaN.infer_cam gives maps with NaN'),
    (NoScores, 'NoScores says own_background, so that it must have a method NoScores.infer_scores'),
    (NoBackground, 'NoBackground.infer_scores must give maps (N, C + 1, h, w)'),
    (Both, 'for this image (1, 4, h, w), not Tensor (2, 4, 5, 6)'),
    (OneSize, 'OneSize.infer_cam) fails on an image of 20 x 24 pixels: RuntimeError')])
def test_inference_is_tried_before_the_training(head, said):
    model = build(head=dict(type=head))
    step(model)  # no step finds it
    with pytest.raises(ValueError) as error:
        model.check_sample(sample())
    one_line(error.value, said)


def test_the_sizes_are_those_of_inference():
    """A network for one size is right where inference has no other."""
    only = sample()
    only['data_samples']['image'].set_metainfo(dict(ori_shape=(32, 32)))
    build(head=dict(type=OneSize), test_cfg=dict(scales=(1., ))).check_sample(only)


@pytest.mark.parametrize('options', [{}, dict(cam=dict(type='GradCAM'))])
def test_the_trial_leaves_no_trace(options):
    model = build(**options).train()
    model.head.eval()
    state = {key: value.clone() for key, value in model.state_dict().items()}
    drawn = torch.get_rng_state()
    one = sample()
    torch.set_rng_state(drawn)
    model.check_sample(one)
    assert torch.equal(torch.get_rng_state(), drawn)
    assert model.training and model.backbone.norm.training and not model.head.conv.training
    assert all(torch.equal(value, state[key]) for key, value in model.state_dict().items())
    assert all(p.grad is None for p in model.parameters())


# -- the data --------------------------------------------------------------------------------------
@pytest.mark.parametrize('view, said', [
    (torch.rand(3, 32, 32), 'not Tensor torch.float32 (3, 32, 32)'),
    (torch.zeros(32, 32, 3, dtype=torch.uint8), 'not Tensor torch.uint8 (32, 32, 3)'),
    (np.zeros((3, 32, 32), np.uint8), 'not ndarray uint8 (3, 32, 32)'),
    (torch.zeros(32, 32, dtype=torch.uint8), 'not Tensor torch.uint8 (32, 32)'),
    ([1], 'not list')])
def test_views_of_the_data(view, said):
    with pytest.raises(TypeError) as error:
        build().check_sample(sample(dark=view))
    one_line(error.value, 'view "dark" of a sample must be a uint8 tensor (3, H, W), ' + said)


# -- modules ---------------------------------------------------------------------------------------
class Own(WSSSModule):
    def loss(self, views):
        return dict(loss_a=views['half'].cam.mean())


class Grey(Own):
    def add_views(self, views):
        views.add('half', lambda: views.image()[:, :, ::2, ::2].mean(1))


class Early(Own):
    def add_views(self, views):
        views.add('half', views.image()[:, :, ::2, ::2])


def test_views_of_a_module():
    with pytest.raises(ValueError, match=r'view "half" is made by a module, whose recipe must give '
                                         r'images \(N, 3, H, W\), not Tensor \(4, 16, 16\)'):
        step(build(modules=[Grey]))
    with pytest.raises(TypeError, match=r'views.add\("half", ...\) needs a function .*not Tensor'):
        build(modules=[Early]).check_sample(sample())


@pytest.mark.parametrize('key', ['views', 'fields', 'networks', 'trains'])
def test_a_string_for_names(key):
    kind = type('Texts', (Own, ), {key: 'dark'})
    with pytest.raises(TypeError) as error:
        build(modules=[kind])
    one_line(error.value, f'Texts.{key} must be a tuple of names, not a string: {key} = ("dark", )')


def test_a_module_of_plain_torch():
    class Plain(nn.Module):
        pass

    with pytest.raises(TypeError, match='Plain must be a child of WSSSModule'):
        build(modules=[Plain])


@pytest.mark.parametrize('learned', [(), (2, )])
def test_a_term_that_never_has_a_gradient(monkeypatch, learned):
    said = []
    monkeypatch.setattr('mmwsss.models.utils.loss_terms.print_log',
                        lambda text, **kwargs: said.append(text))
    watch = ConstantTerms(steps=3)
    for number in range(8):
        watch(dict(loss_a=torch.ones((), requires_grad=number in learned), share=torch.ones(())))
    assert len(said) == (0 if learned else 1)
    assert all('"loss_a" has had no gradient in its first 3 steps' in text for text in said)
