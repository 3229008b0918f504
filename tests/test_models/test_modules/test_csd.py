"""CSD: its losses against plain loops, the views it asks for, missing data."""

import numpy as np
import pytest
import torch

from mmwsss.datasets import cooccurrence_matrix, pairing_distribution
from mmwsss.models import WSSSClassifier
from mmwsss.models.modules.csd import (
    background_consistency_loss,
    cells_inside,
    confident_cells,
    entropy_weights,
    foreground_consistency_loss,
    purity_weights,
)
from mmwsss.registry import MODELS
from mmwsss.structures import WSSSDataSample

CSD = dict(type='CrossDomainDecoupling')
LABELS = np.array([[0, 1, 0, 0], [1, 0, 0, 0.]])


def softmax(x):
    x = np.exp(x - x.max())
    return x / x.sum()


def maps(seed):
    rng = np.random.default_rng(seed)
    return rng.normal(0, 1, (2, 4, 3, 5)), rng.normal(0, 1, (2, 4, 3, 5)), rng.random((2, 3, 5))


def scaled(x):
    return (x - x.min()) / (x.max() - x.min() + 1e-4)


VARIANTS = ['paper', 'prototype', 'confident']


@pytest.mark.parametrize('variant', VARIANTS)
def test_foreground_loss_equals_a_plain_loop(variant):
    source, mixed, weights = maps(0)
    total = 0.
    for n, y, x in np.ndindex(2, 3, 5):
        before, after = source[n, :, y, x], mixed[n, :, y, x]
        if variant != 'paper':
            before = (1 if variant == 'prototype' else 10) * scaled(before)
            after = scaled(after)
        q, p = softmax(before), softmax(after)
        terms = q * np.log(q / p)
        if variant != 'paper':
            terms = terms * LABELS[n]
        total += terms.sum() * weights[n, y, x] / 2
    arrays = (torch.tensor(a) for a in (source, mixed, LABELS, weights))
    result = foreground_consistency_loss(*arrays, variant=variant)
    assert result.item() == pytest.approx(total, rel=1e-4)


@pytest.mark.parametrize('variant', VARIANTS)
def test_background_loss_equals_a_plain_loop(variant):
    source, mixed, weights = maps(1)
    total = 0.
    for n, y, x in np.ndindex(2, 3, 5):
        before, after = source[n, :, y, x], mixed[n, :, y, x]
        if variant == 'paper':  # scores are summed over classes, then M' joins
            q, p = softmax(np.array([0.1, before.sum()])), softmax(np.array([0.1, after.sum()]))
            term = (q * np.log(q / p)).sum()
        else:
            q = softmax(np.concatenate([[0.1], before]))[0]
            p = softmax(np.concatenate([[0.1], after]) * 10)[0]
            term = q * np.log(q / p)
        total += term * weights[n, y, x] / 2
    arrays = (torch.tensor(a) for a in (source, mixed, weights))
    result = background_consistency_loss(*arrays, variant=variant)
    assert result.item() == pytest.approx(total, rel=1e-4)


def test_equal_cams_have_no_loss_and_the_source_gets_no_gradient():
    source, mixed, weights = (torch.tensor(x) for x in maps(2))
    labels = torch.tensor(LABELS)
    assert foreground_consistency_loss(source, source, labels, weights).abs() < 1e-6
    assert background_consistency_loss(source, source, weights).abs() < 1e-6
    source.requires_grad_()
    mixed.requires_grad_()
    (foreground_consistency_loss(source, mixed, labels, weights)
     + background_consistency_loss(source, mixed, weights)).backward()
    assert source.grad is None and mixed.grad.abs().sum() > 0
    with pytest.raises(ValueError, match="must be 'paper', 'prototype' or 'confident'"):
        background_consistency_loss(source, mixed, weights, variant='x')


def test_cells_and_pixel_weights():
    mask = torch.zeros(1, 8, 8, dtype=torch.bool)
    mask[0, :5, :4] = True
    inside = cells_inside(mask, (4, 4))
    assert inside.sum() == 4 and inside[0, :2, :2].all()
    cam = torch.rand(2, 3, 4, 4)
    cam[:, :, 0, 0] = torch.tensor([1., 0, 0])  # pure
    cam[:, :, 1, 1] = 0.4  # as mixed as can be
    weights = purity_weights(cam, inside.expand(2, 4, 4), 0.1)
    torch.testing.assert_close(weights.sum((1, 2)), torch.ones(2))
    assert (weights[:, 2:] == 0).all() and (weights[:, 0, 0] > weights[:, 1, 1]).all()
    assert (purity_weights(cam, torch.zeros(2, 4, 4)) == 0).all()
    cam = torch.tensor([[[[0.9, 0.2]], [[0.1, 0.8]]]])
    assert confident_cells(cam, torch.tensor([[1., 0]])).tolist() == [[[1, 0]]]


def test_the_functions_of_the_data_are_here_too():
    matrix = cooccurrence_matrix(torch.tensor([[1., 1, 0], [1, 0, 0], [0, 0, 1]]))
    chances = pairing_distribution(matrix, torch.tensor([[1., 1, 0]]))
    assert matrix.tolist() == [[2, 1, 0], [1, 1, 0], [0, 0, 1]]
    torch.testing.assert_close(chances, torch.tensor([[7 / 12, 5 / 12, 0]]))


def minmax(x):
    return (x - x.min()) / (x.max() - x.min() + 1e-4)


@pytest.mark.parametrize('foreground', [True, False])
def test_pixel_weights_of_the_prototype(foreground):
    """softmax(entropy * purity_t) of the mixed CAM times its labels, purity_t = 1, over the cells
    that are wholly pasted; of the object only where the source's CAM exceeds .5."""
    source, mixed, _ = (np.abs(x) for x in maps(3))
    own, both = LABELS, np.array([[0, 1, 1, 0], [1, 0, 0, 1.]])
    mask = np.ones((2, 12, 20), bool)
    mask[0, :4, :9] = False
    mask[1] = not foreground  # nothing pasted: in L_bg nowhere masked, in L_fg nothing counts
    expected = np.zeros((2, 3, 5))
    for n in range(2):
        there = np.stack([minmax(m) for m in mixed[n]]) * both[n][:, None, None]
        entropy = np.zeros((3, 5))
        inside = np.zeros((3, 5))
        for y, x in np.ndindex(3, 5):
            inside[y, x] = mask[n, 4 * y:4 * y + 4, 4 * x:4 * x + 4].all()
            p = np.append(there[:, y, x], 0.4)
            p = p / p.sum()
            entropy[y, x] = (-p * np.log(p + 1e-6)).sum() / np.log(5)
        entropy[inside == 0] = -10000
        weights = np.exp(entropy - entropy.max())
        weights = weights / weights.sum()
        if foreground:
            seen = minmax(source[n][own[n].argmax()]) > 0.5
            weights = weights * inside * seen
        expected[n] = weights
    module = MODELS.build(dict(CSD, variant='prototype'))
    labels = dict(source=torch.tensor(own), mixed=torch.tensor(both))
    result = module.pixel_weights(*(torch.tensor(x) for x in (source, mixed)), labels,
                                  torch.tensor(mask), foreground)
    np.testing.assert_allclose(result, expected, atol=1e-6)
    assert 0 < expected[0].sum() <= 1 + 1e-9


def test_nothing_pasted_weighs_the_same_everywhere_in_the_prototype():
    weights = entropy_weights(torch.rand(1, 3, 2, 2), torch.zeros(1, 2, 2))
    torch.testing.assert_close(weights, torch.full((1, 2, 2), 0.25))


# -- module ----------------------------------------------------------------------------------------
VIEWS = ('source', 'target', 'fg_mix', 'bg_mix')


def classifier(tiny_backbone, **options):
    torch.manual_seed(0)
    head = dict(type='GAPHead', num_classes=3, in_channels=8, drop=0.5)
    return WSSSClassifier(tiny_backbone, head, [dict(CSD, **options)],
                          teacher=options.get('teacher') == 'teacher')


def batch(views=VIEWS, paste=True):
    generator = torch.Generator().manual_seed(1)
    inputs = {name: torch.randn(2, 3, 32, 32, generator=generator) for name in ('image', *views)}
    rows = dict(image=[[1., 0, 0], [0., 1, 1]], source=[[1., 0, 0], [0., 1, 0]])
    samples = {}
    for name in inputs:
        samples[name] = [
            WSSSDataSample(gt_label=torch.tensor(row)) for row in rows.get(name, rows['image'])]
        if paste and name.endswith('mix'):
            for sample in samples[name]:
                sample.paste_mask = torch.zeros(32, 32, dtype=torch.bool)
                sample.paste_mask[:16] = True
    return inputs, samples


@pytest.mark.parametrize('variant', VARIANTS)
def test_four_passes_and_the_source_is_seen_in_evaluation_mode(tiny_backbone, counted, variant):
    model = classifier(tiny_backbone, variant=variant, threshold=0.).train()
    losses = model(*batch(), mode='loss')
    assert set(losses) == {'loss_cls', 'csd.loss_fg', 'csd.loss_bg'}
    assert counted(model.backbone) == 4 * 2  # image, source, and the two mixed; not the target
    assert losses['csd.loss_fg'] != 0 and losses['csd.loss_bg'] != 0
    assert model.head.dropout.training
    losses['csd.loss_fg'].backward(retain_graph=True)
    losses['csd.loss_bg'].backward()
    assert model.backbone.stages[0].weight.grad.abs().sum() > 0


def test_the_losses_see_the_cam_cut_at_zero(tiny_backbone):
    model = classifier(tiny_backbone, mean=False).eval()
    inputs, samples = batch()
    cams = {name: model.head(model.backbone(inputs[name])).cam for name in VIEWS}
    assert all((cam < 0).any() for cam in cams.values())
    cams = {name: cam.relu() for name, cam in cams.items()}
    losses = model(inputs, samples, mode='loss')
    inside = torch.zeros(2, *cams['source'].shape[-2:])
    inside[:, :inside.shape[1] // 2] = 1
    torch.testing.assert_close(losses['csd.loss_fg'], 0.01 * foreground_consistency_loss(
        cams['source'], cams['fg_mix'], None, inside))
    torch.testing.assert_close(losses['csd.loss_bg'], 0.1 * background_consistency_loss(
        cams['source'], cams['bg_mix'], inside))


@pytest.mark.parametrize('teacher, own', [('student', 4), ('frozen', 4), ('teacher', 3)])
def test_who_sees_the_source(tiny_backbone, counted, teacher, own):
    """Without dropout, student and frozen agree; the EMA teacher has other weights."""
    model = classifier(tiny_backbone, teacher=teacher, threshold=0.).eval()
    losses = model(*batch(), mode='loss')
    assert counted(model.backbone) == own * 2
    same = classifier(tiny_backbone).eval()(*batch(), mode='loss')
    if teacher != 'teacher':
        torch.testing.assert_close(losses, same)
    else:
        assert counted(model.teacher.backbone) == 2


def test_one_loss_alone_saves_its_pass(tiny_backbone, counted):
    model = classifier(tiny_backbone, bg_weight=0)
    assert set(model(*batch(), mode='loss')) == {'loss_cls', 'csd.loss_fg'}
    assert counted(model.backbone) == 3 * 2


def test_weights_mean_the_same_at_every_resolution(tiny_backbone):
    mask = torch.ones(2, 32, 32)
    module = MODELS.build(CSD)
    for size in (4, 16):
        weights = module.pixel_weights(torch.zeros(2, 3, size, size), None, None, mask, True)
        torch.testing.assert_close(weights.sum((1, 2)), torch.full((2, ), 196.))


def test_what_is_missing_is_said_at_start_up(tiny_backbone, sample_of):
    with pytest.raises(KeyError, match='needs the view "source".*CrossDomainView'):
        classifier(tiny_backbone, begin=3).check_sample(sample_of(*batch(())))
    with pytest.raises(KeyError, match='no "paste_mask"'):
        classifier(tiny_backbone)(*batch(paste=False), mode='loss')
    for wrong in (dict(variant='x'), dict(fg_weight=-1)):
        with pytest.raises(ValueError, match=next(iter(wrong))):
            classifier(tiny_backbone, **wrong)
