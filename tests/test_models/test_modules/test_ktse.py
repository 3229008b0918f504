"""KTSE's equations against plain loops over pixels."""

import math
from types import SimpleNamespace

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from mmwsss.models.modules.ktse import (
    MultiGranularityAlignment,
    confident_ce_loss,
    global_alignment_loss,
    inter_class_loss,
    knowledge_transfer_loss,
    local_alignment_loss,
)

N, C, H, W = 3, 4, 5, 6


@pytest.fixture
def maps():
    generator = torch.Generator().manual_seed(3)
    return [torch.randn(N, C, H, W, generator=generator, requires_grad=True) for _ in range(2)]


@pytest.fixture
def labels():
    return torch.tensor([[1., 0, 0, 1], [0, 1, 0, 0], [1, 1, 1, 0]])


def every(*sizes):
    return np.ndindex(*sizes)


def test_knowledge_transfer_loss(maps, labels):
    target, synthetic = (m.detach().numpy() for m in maps)
    total = 0.
    for n, c, y, x in every(N, C, H, W):
        total += max(target[n, c, y, x] - synthetic[n, c, y, x] - .05, 0.) * labels[n, c].item()
    loss = knowledge_transfer_loss(*maps, labels)
    assert loss.item() == pytest.approx(total / (N * C * H * W), rel=1e-5)
    loss.backward()  # neither side is detached
    assert maps[0].grad.abs().sum() > 0 and maps[1].grad.abs().sum() > 0
    assert maps[0].grad[1, 0].abs().sum() == 0  # absent class


@pytest.mark.parametrize('detach', [True, False])
def test_inter_class_loss(maps, detach):
    scores = maps[0].relu()
    mask = maps[1].detach()[:, 0] > 0
    values = scores.detach().numpy()
    total = count = 0
    for n, y, x in every(N, H, W):
        if mask[n, y, x]:
            best, second = sorted(values[n, :, y, x])[::-1][:2]
            total += second - best
            count += 1
    loss = inter_class_loss(scores, mask, detach)
    assert loss.item() == pytest.approx(total / count, rel=1e-4)
    loss.backward()
    best = scores.argmax(1, keepdim=True)
    gradient = maps[0].grad.gather(1, best)
    assert (gradient.abs().sum() == 0) == detach


def test_inter_class_loss_of_nothing_and_of_one_class():
    scores = torch.rand(2, 3, 4, 4, requires_grad=True)
    loss = inter_class_loss(scores, torch.zeros(2, 4, 4, dtype=torch.bool))
    loss.backward()
    assert loss.item() == 0 and torch.isfinite(scores.grad).all()
    one = torch.full((1, 1, 2, 2), .5)
    assert inter_class_loss(one, torch.ones(1, 2, 2)).item() == pytest.approx(-.5)


@pytest.mark.parametrize('fg_images', [None, torch.tensor([False, True, False])])
def test_confident_ce_loss(fg_images):
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(N, C + 1, H, W, generator=generator)
    pseudo = torch.randint(0, C + 1, (N, H, W), generator=generator)
    pseudo[torch.rand(N, H, W, generator=generator) < .3] = 255
    parts = {'bg': [], 'fg': []}
    for n, y, x in every(N, H, W):
        label = pseudo[n, y, x].item()
        if label == 255 or (label and fg_images is not None and not fg_images[n]):
            continue
        scores = logits[n, :, y, x].tolist()
        loss = math.log(sum(math.exp(s) for s in scores)) - scores[label]
        parts['fg' if label else 'bg'].append(loss)
    expected = np.mean(parts['bg']) + .0125 * np.mean(parts['fg'])
    assert confident_ce_loss(logits, pseudo, .0125, fg_images).item() == pytest.approx(
        expected, rel=1e-5)


@pytest.mark.parametrize('label', [0, 2, 255])
def test_confident_ce_loss_survives_empty_sets(label):
    logits = torch.randn(N, C + 1, H, W, requires_grad=True)
    loss = confident_ce_loss(logits, torch.full((N, H, W), label))
    loss.backward()
    assert torch.isfinite(loss) and torch.isfinite(logits.grad).all()
    assert (loss.item() == 0) == (label == 255)


def test_global_alignment_loss(maps, labels):
    anchor, erased = (m.detach().numpy() for m in maps)
    total = 0.
    for n, c in every(N, C):
        pooled = [np.maximum(m[n, c], 0).mean() * labels[n, c].item() for m in (anchor, erased)]
        total += abs(pooled[1] - pooled[0])
    loss = global_alignment_loss(*maps, labels)
    assert loss.item() == pytest.approx(total / (N * C), rel=1e-5)
    loss.backward()
    assert all(m.grad.abs().sum() > 0 for m in maps)


@pytest.mark.parametrize('restrict', [True, False])
def test_local_alignment_loss(maps, labels, restrict):
    valid = (torch.rand(N, 1, H, W, generator=torch.Generator().manual_seed(1)) > .5).float()
    anchor, erased = (m.detach().numpy() for m in maps)
    total = 0.
    for n, c, y, x in every(N, C, H, W):
        difference = erased[n, c, y, x] - anchor[n, c, y, x]
        if restrict:
            difference *= valid[n, 0, y, x].item()
        total += max(difference - .05, 0.) * labels[n, c].item()
    loss = local_alignment_loss(*maps, labels, valid if restrict else None)
    assert loss.item() == pytest.approx(total / (N * C * H * W), rel=1e-5)


class TwoViews(dict):
    """An image and its erased copy, of one class each."""

    def labels(self, name):
        return torch.ones(self[name].cam.shape[:2])


def alignment(anchor, erased, **kwargs):
    views = TwoViews(image=SimpleNamespace(cam=anchor), erased=SimpleNamespace(cam=erased))
    return MultiGranularityAlignment(restrict=False, **kwargs).loss(views)


def test_mga_can_stop_the_gradient_into_its_targets(maps):
    for detach in (False, True):
        for name, target in (('loss_global', 0), ('loss_local', 1)):
            gradients = torch.autograd.grad(alignment(*maps, detach=detach)[name], maps,
                                            allow_unused=True)
            assert (gradients[target] is None) == detach
            assert gradients[1 - target].abs().sum() > 0


@pytest.mark.parametrize('logit', [.1, 2., 8.])
@pytest.mark.parametrize('detach', [False, True])
def test_eq_8_outweighs_the_classification_loss_of_average_pooling(logit, detach):
    anchor = torch.full((1, 1, H, W), logit, requires_grad=True)
    loss = alignment(anchor, .5 * anchor.detach(), detach=detach, local_weight=0)['loss_global']
    loss = loss + F.binary_cross_entropy_with_logits(anchor.mean((2, 3)), torch.ones(1, 1))
    loss.backward()
    assert (anchor.grad.sum() > 0) == (not detach)  # descent weakens the anchor of a present class
