"""RCM's and MAM's equations against plain loops, and what the modules ask of which network."""

import numpy as np
import pytest
import torch
from mmengine.model import BaseModule
from torch import nn

from mmwsss.models import WSSSClassifier
from mmwsss.models.classifiers import Progress
from mmwsss.models.modules.rcm_mam import (
    attention_targets,
    class_prototypes,
    class_region_masks,
    multi_scale_attention_loss,
    regional_contrast_loss,
)
from mmwsss.registry import MODELS
from mmwsss.structures import WSSSDataSample

N, C, D, H, W = 3, 4, 5, 3, 2
LABELS = torch.tensor([[1., 0, 0, 1], [0, 1, 0, 0], [1, 1, 0, 0]])


@pytest.fixture
def rng():
    return torch.Generator().manual_seed(5)


def draw_masks(rng, empty=()):
    """One-hot regions in which the classes of `empty` never appear."""
    allowed = torch.tensor([k for k in range(C + 1) if k not in empty])
    index = allowed[torch.randint(len(allowed), (N, H, W), generator=rng)]
    return nn.functional.one_hot(index, C + 1).permute(0, 3, 1, 2).float()


# -- equations -------------------------------------------------------------------------------------
def test_class_region_masks(rng):
    cam = torch.rand(N, C, H, W, generator=rng) * 0.5
    cam[0, 0, 0, 0], cam[0, 3, 0, 0] = 0.2, 0.1  # at the threshold: background
    cam[0, 1, 1, 1] = 1.  # the best class is absent
    cam[0, 0, 1, 1], cam[0, 3, 1, 1] = 0.3, 0.4
    masks = class_region_masks(cam, LABELS)
    expected = torch.zeros(N, C + 1, H, W)
    for n, y, x in np.ndindex(N, H, W):
        best, chosen = 0.2, 0
        for c in range(C):
            if LABELS[n, c] and cam[n, c, y, x] > best:
                best, chosen = cam[n, c, y, x], c + 1
        expected[n, chosen, y, x] = 1
    assert masks.equal(expected)
    assert masks[0, :, 0, 0].tolist() == [1, 0, 0, 0, 0]
    assert masks[0, :, 1, 1].tolist() == [0, 0, 0, 0, 1]


@pytest.mark.parametrize('average', [True, False])
def test_class_prototypes(rng, average):
    features = torch.randn(N, D, H, W, generator=rng)
    masks = draw_masks(rng, empty=[2])
    masks[0, 1] = 0
    found = class_prototypes(features, masks, average)
    for k in range(C + 1):
        rows = []
        for n in range(N):
            pixels = [features[n, :, y, x].numpy() for y, x in np.ndindex(H, W)
                      if masks[n, k, y, x]]
            if pixels:
                rows.append(np.mean(pixels, 0) if average else np.sum(pixels, 0))
        expected = np.mean(rows, 0) if rows else np.zeros(D)
        np.testing.assert_allclose(found[k], expected, rtol=1e-4, atol=1e-6)
    assert found[2].abs().sum() == 0


@pytest.mark.parametrize('log', [True, False])
@pytest.mark.parametrize('reduction', ['mean', 'sum'])
def test_regional_contrast_loss(rng, log, reduction):
    features = torch.randn(N, D, H, W, generator=rng)
    masks = draw_masks(rng)
    prototypes = torch.randn(C + 1, D, generator=rng)
    x = features.numpy()
    pt = prototypes.numpy() / np.linalg.norm(prototypes.numpy(), axis=1, keepdims=True)
    total = 0.
    for n, i, j in np.ndindex(N, H, W):
        pixel = x[n, :, i, j] / np.linalg.norm(x[n, :, i, j])
        e = np.exp(pt @ pixel / 0.5)
        p = e / e.sum()
        k = int(masks[n, :, i, j].argmax())
        total -= np.log(p[k]) if log else p[k]
    total /= N * (H * W if reduction == 'mean' else 1)
    loss = regional_contrast_loss(features, masks, prototypes, log=log, reduction=reduction)
    assert loss.item() == pytest.approx(total, rel=1e-4)


def naive_targets(main, support):
    S = len(main)
    targets = np.zeros((S, N, C, H, W))
    for i, j, n, c in np.ndindex(S, S, N, C):
        a, b = main[i][n, c].numpy().ravel(), support[j][n, c].numpy().ravel()
        xi = 2 - a @ b / (np.linalg.norm(a) * np.linalg.norm(b))
        targets[i, n, c] += xi * support[j][n, c].numpy() / S
    return targets


@pytest.fixture
def cams(rng):
    return [[torch.rand(N, C, H, W, generator=rng) for _ in range(3)] for _ in range(2)]


def test_attention_targets(cams):
    expected = naive_targets(*cams)
    np.testing.assert_allclose(attention_targets(*cams), expected, rtol=1e-4)
    same = attention_targets([cams[0][0]] * 3, [cams[0][0]] * 3)  # xi = 1: the map itself
    torch.testing.assert_close(same[1], cams[0][0])


@pytest.mark.parametrize('attention', [True, False])
@pytest.mark.parametrize('reduction', ['mean', 'sum'])
def test_multi_scale_attention_loss(cams, attention, reduction):
    main, support = cams
    targets = naive_targets(main, support)
    if not attention:
        targets[:] = np.mean([s.numpy() for s in support], 0)
    total = 0.
    for i, n, c in np.ndindex(3, N, C):
        if LABELS[n, c]:
            difference = np.abs(targets[i, n, c] - main[i][n, c].numpy())
            total += difference.mean() if reduction == 'mean' else difference.sum()
    loss = multi_scale_attention_loss(main, support, LABELS, attention, reduction=reduction)
    assert loss.item() == pytest.approx(total / N, rel=1e-4)


def test_what_the_attention_loss_teaches(cams):
    main, support = ([x.clone().requires_grad_() for x in rows] for rows in cams)
    grads = {}
    for detach in (True, False):
        loss = multi_scale_attention_loss(main, [s.detach() for s in support], LABELS,
                                          detach=detach)
        grads[detach] = torch.autograd.grad(loss, main[0])[0]
    # With xi constant the gradient of an L1 norm is the sign of the difference.
    sign = (main[0] - attention_targets(main, support)[0]).sign() * LABELS[:, :, None, None]
    torch.testing.assert_close(grads[True], (sign / (N * H * W)).detach())
    assert not torch.allclose(grads[False], grads[True])


# -- modules ---------------------------------------------------------------------------------------
@MODELS.register_module(force=True)
class Stride4(BaseModule):
    """Remembers the sizes it sees, and whether with gradient."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 6, 5, 4, 2)
        self.drop = nn.Dropout(0.5)
        self.calls = []

    def forward(self, x):
        self.calls.append((x.shape[-1], torch.is_grad_enabled(), self.training))
        return (self.drop(self.conv(x)), )


RCM = dict(type='RegionalContrast', num_classes=C, embed_channels=D)
MAM = dict(type='MultiScaleAttention', begin=6)


def classifier(*modules, embed=D, teacher=True, epoch=6):
    torch.manual_seed(0)
    head = dict(type='GAPHead', num_classes=C, in_channels=6, embed_channels=embed)
    model = WSSSClassifier(dict(type='Stride4'), head, modules, teacher=teacher)
    model.set_progress(Progress(epoch=epoch))
    return model.train()


def batch(labels=LABELS, size=16):
    generator = torch.Generator().manual_seed(1)
    images = torch.randn(len(labels), 3, size, size, generator=generator)
    return dict(image=images), dict(image=[WSSSDataSample(gt_label=row) for row in labels])


def test_both_networks_see_three_scales_once():
    model = classifier(RCM, MAM)
    losses = model.loss(*batch())
    assert set(losses) == {'loss_cls', 'rcm.loss_contrast', 'mam.loss_attention'}
    assert sorted(model.backbone.calls) == [(8, True, True), (16, True, True), (32, True, True)]
    assert sorted(model.teacher.backbone.calls) == [
        (8, False, False), (16, False, False), (32, False, False)]
    sum(losses.values()).backward()
    assert all(p.grad is None for p in model.teacher.parameters())
    assert all(p.grad is not None for p in model.backbone.parameters())


def test_before_mam_begins_the_student_sees_one_scale():
    model = classifier(RCM, MAM, epoch=5)
    assert set(model.loss(*batch())) == {'loss_cls', 'rcm.loss_contrast'}
    assert model.backbone.calls == [(16, True, True)]


def test_weight_sharing_needs_no_teacher():
    model = classifier(dict(RCM, support='student'), dict(MAM, support='student'), teacher=False)
    assert set(model.loss(*batch())) == {'loss_cls', 'rcm.loss_contrast', 'mam.loss_attention'}
    assert len(model.backbone.calls) == 3
    alone = classifier(dict(RCM, support='student'), teacher=False)
    alone.loss(*batch())['rcm.loss_contrast'].backward()
    assert [grad for _, grad, _ in sorted(alone.backbone.calls)] == [False, True, False]


def test_prototypes_keep_the_latest():
    model = classifier(RCM)
    rcm = model.wsss_modules[0]
    masks, features = torch.zeros(2, C + 1, 2, 2), torch.rand(2, D, 2, 2) + 0.1
    masks[:, 0], masks[0, 0, 0], masks[0, 2, 0] = 1, 0, 1
    first = rcm.update_prototypes(features, masks).clone()
    assert rcm.prototypes.equal(class_prototypes(features, masks))
    assert first[[1, 3, 4]].abs().sum() == 0
    masks[0, 2, 0], masks[0, 3, 0] = 0, 1
    second = rcm.update_prototypes(features * 2, masks)
    assert second[2].equal(first[2])  # absent now: the latest stays
    assert second[3].abs().sum() > 0 and not second[0].equal(first[0])
    assert 'wsss_modules.0.prototypes' in model.state_dict()


def test_module_losses_are_the_equations():
    """The modules on a teacher unlike the student, against the functions on maps made by hand."""
    model = classifier(dict(RCM, aggregate='sum'), MAM)
    for parameter in model.teacher.parameters():
        parameter.data.add_(0.05 * torch.randn_like(parameter))
    model.backbone.drop.p = 0.
    inputs, samples = batch()
    losses = model.loss(inputs, samples)
    images = inputs['image']

    def maps(network):
        outs = [network.extract(nn.functional.interpolate(
            images, scale_factor=s, mode='bilinear')) for s in (.5, 1., 2.)]
        cams = []
        for out in outs:
            cam = nn.functional.interpolate(out.cam, (4, 4), mode='bilinear').clamp(min=0)
            high = cam.flatten(2).max(2).values[:, :, None, None]
            cams.append(cam / (high + 1e-5) * LABELS[:, :, None, None])
        return outs[1].extra['embedding'], cams

    embedding, main = maps(model)
    support_embedding, support = maps(model.teacher)
    total = sum(support)
    high = total.flatten(2).max(2).values[:, :, None, None]
    masks = class_region_masks(total / high.clamp(min=1e-12), LABELS)
    prototypes = class_prototypes(support_embedding, masks)
    expected = regional_contrast_loss(embedding, masks, prototypes)
    torch.testing.assert_close(losses['rcm.loss_contrast'], expected, rtol=1e-3, atol=1e-4)
    expected = multi_scale_attention_loss(main, support, LABELS)
    torch.testing.assert_close(losses['mam.loss_attention'], expected, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize('variant, scales', [('smm', [16]), ('mmm', [8, 16, 32])])
def test_ablation_of_mam(variant, scales):
    model = classifier(dict(MAM, variant=variant))
    model.loss(*batch())['mam.loss_attention'].backward()
    assert sorted(size for size, *_ in model.backbone.calls) == scales


def test_direct_is_the_cross_entropy_on_the_cam():
    model = classifier(dict(type='RegionalContrast', contrast='direct'), embed=None)
    loss = model.loss(*batch())['rcm.loss_contrast']
    loss.backward()
    assert loss > 0 and not model.wsss_modules[0].state_dict()


def test_errors():
    with pytest.raises(ValueError, match='scales=.* must contain 1'):
        classifier(dict(MAM, scales=(0.5, 2.)))
    with pytest.raises(ValueError, match="variant='sam' must be"):
        classifier(dict(MAM, variant='sam'))
    with pytest.raises(ValueError, match='set teacher=True'):
        classifier(RCM, teacher=False)
    with pytest.raises(ValueError, match=f'num_classes=20 and.*of the head, {C} and {D}'):
        classifier(dict(type='RegionalContrast', embed_channels=D))
    with pytest.raises(ValueError, match=f'embed_channels=256 must be.*of the head, {C} and {D}'):
        classifier(dict(type='RegionalContrast', num_classes=C))


def test_prototypes_of_large_features_in_half_precision():
    """The sum over a region, 64 * 64 * 40, is beyond float16; its mean is not."""
    from mmwsss.models.modules.rcm_mam import class_prototypes
    features, masks = torch.full((1, 3, 64, 64), 40.), torch.ones(1, 1, 64, 64)
    with torch.autocast('cpu', dtype=torch.float16):
        found = class_prototypes(features, masks)
    torch.testing.assert_close(found.float(), torch.full((1, 3), 40.), rtol=1e-2, atol=0)
