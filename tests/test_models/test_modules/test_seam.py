"""SEAM: its terms against plain loops, one pass per view."""

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from mmwsss.models import WSSSClassifier
from mmwsss.models.classifiers import Progress
from mmwsss.models.modules.seam import cross_equivariance_loss, equivariance_loss, min_pooling_loss
from mmwsss.structures import WSSSDataSample

LABELS = np.array([[1, 0, 1], [0, 1, 0.]])


def maps(channels, seed=0, shape=(5, 4)):
    return np.random.default_rng(seed).random((2, channels, *shape))


def test_er_equals_a_plain_loop():
    first, second = maps(3, 0), maps(3, 1)
    expected = np.mean([
        abs(first[n, c, y, x] - second[n, c, y, x]) * LABELS[n, c]
        for n, c, y, x in np.ndindex(*first.shape)
    ])
    result = equivariance_loss(*map(torch.tensor, (first, second, LABELS)))
    assert result.item() == pytest.approx(expected)


def test_ecr_equals_a_plain_loop():
    cam, revised = maps(3, 2), maps(4, 3)
    total = 0.
    for n in range(2):
        differences = []
        for y, x in np.ndindex(5, 4):
            scores = cam[n, :, y, x] * LABELS[n]
            best = scores.argmax()
            target = [1 - scores.max()] + [scores[c] if c == best else 0. for c in range(3)]
            present = np.concatenate([[1], LABELS[n]])
            differences += list(abs(np.array(target) - revised[n, :, y, x] * present))
        count = int(len(differences) * 0.2)
        total += np.mean(sorted(differences, reverse=True)[:count])
    tensors = [torch.tensor(x) for x in (cam, revised, LABELS)]
    tensors[0].requires_grad_()
    tensors[1].requires_grad_()
    result = cross_equivariance_loss(*tensors)
    assert result.item() == pytest.approx(total / 2)
    result.backward()
    assert tensors[0].grad is None and tensors[1].grad.abs().sum() > 0


def test_min_pooling_equals_a_plain_loop():
    revised = maps(3, 4) - 0.3
    expected = 0.
    for n in range(2):
        best = sorted((revised[n] * LABELS[n][:, None, None]).max(0).ravel())[:5]
        expected += np.mean(np.maximum(best, 0)) / 2
    assert min_pooling_loss(*map(torch.tensor, (revised, LABELS))).item() == pytest.approx(expected)


def public_norm(m):
    """N() of one map."""
    m = np.maximum(m, 0)
    return np.maximum(m - m.min() - 1e-5, 0) / (m.max() - m.min() + 1e-5)


def aligned(maps, size):
    return F.interpolate(maps.double(), size, mode='bilinear', align_corners=True)


def public_terms(cams, revised, labels, sizes):
    """SEAM's three terms from raw maps ``(1, C + 1, h, w)`` of both views. ``sizes``: of the two
    images, to which the maps go first, or None."""
    if sizes:
        cams = [aligned(x, size) for x, size in zip(cams, sizes)]
        revised = [aligned(x, size) for x, size in zip(revised, sizes)]
    size, rvmin = cams[1].shape[-2:], 0.
    for x in revised:
        best = np.sort((x[0, 1:].double().numpy() * labels[:, None, None]).max(0).ravel())
        rvmin += np.maximum(best[:best.size // 4], 0).mean() / 2
    present = np.concatenate([[1], labels])[:, None, None]

    def reduced(x):
        normed = np.stack([public_norm(m) for m in x[0].double().numpy()])
        return aligned(torch.tensor(normed)[None], size)[0].numpy() * present

    (cam1, cam2), (rv1, rv2) = map(reduced, cams), map(reduced, revised)
    er = abs(cam1[1:] - cam2[1:]).mean()
    ecr = 0.
    for cam, rv in ((cam2, rv1), (cam1, rv2)):
        target = cam.copy()
        target[0] = 1 - cam[1:].max(0)
        target[1:][cam[1:] != cam[1:].max(0, keepdims=True)] = 0
        difference = np.sort(abs(target - rv).ravel())[::-1]
        ecr += difference[:int(difference.size * 0.2)].mean()
    return er, ecr, rvmin


@pytest.mark.parametrize('full_size', [True, False])
def test_module_equals_the_public_code(full_size):
    """SEAM and PPC on it: maps go to the size of the image before N(); PPC with EPS: they stay."""
    model = classifier(SEAM, full_size=full_size)
    inputs, samples = batch()
    inputs['image'], samples['image'] = inputs['image'][:1], samples['image'][:1]
    losses = model(inputs, samples, mode='loss')
    with torch.no_grad():
        small = F.interpolate(inputs['image'], (16, 16), mode='bilinear', align_corners=True)
        outputs = [model.extract(x) for x in (inputs['image'], small)]
    expected = public_terms(
        [out.scores for out in outputs], [out.extra['cam_rv'] for out in outputs], LABELS[0],
        [(32, 32), (16, 16)] if full_size else None)
    for name, value in zip(('er', 'ecr', 'min'), expected):
        assert losses[f'seam.loss_{name}'].item() == pytest.approx(value, rel=1e-3), name


SEAM = dict(type='SelfSupervisedEquivariantAttention', scale=0.5)


def classifier(*modules, full_size=True, **kwargs):
    torch.manual_seed(0)
    return WSSSClassifier(
        dict(type='TinyStages', out_indices=(1, 2, 3)),
        dict(type='SEAMHead', num_classes=3, in_channels=(6, 6, 8), mid_channels=(4, 4),
             pcm_channels=5, drop=0., full_size=full_size), modules, **kwargs)


def batch():
    generator = torch.Generator().manual_seed(1)
    inputs = dict(image=torch.randn(2, 3, 32, 32, generator=generator))
    return inputs, dict(image=[
        WSSSDataSample(gt_label=torch.tensor(row, dtype=torch.float32)) for row in LABELS])


def test_one_pass_per_view_and_only_the_pcm_learns_from_ecr(counted):
    model = classifier(SEAM, cls_views=('image', 'x0.5'), cls_weight=0.5)
    losses = model(*batch(), mode='loss')
    assert set(losses) == {
        'loss_cls', 'x0.5.loss_cls', 'seam.loss_er', 'seam.loss_ecr', 'seam.loss_min'}
    assert counted(model.backbone) == 4
    losses['seam.loss_ecr'].backward(retain_graph=True)
    assert model.head.classifier.weight.grad is None
    assert model.head.pcm.join.weight.grad.abs().sum() > 0
    sum(losses.values()).backward()
    assert model.head.classifier.weight.grad.abs().sum() > 0


def test_a_view_is_classified_from_when_its_module_begins(sample_of):
    model = classifier(dict(SEAM, begin=2, by_epoch=False, ramp=2),
                       cls_views=('image', 'x0.5'), cls_weight=0.5)
    for step in range(4):
        model.set_progress(Progress(0, step, 0., None))
        expected = {'loss_cls'} if step < 3 else {
            'loss_cls', 'x0.5.loss_cls', 'seam.loss_er', 'seam.loss_ecr', 'seam.loss_min'}
        assert set(model(*batch(), mode='loss')) == expected, step
    inputs, samples = batch()
    pixels = inputs['image'][0].mul(40).add(128).clamp(0, 255).to(torch.uint8)
    sample = sample_of(dict(image=pixels), samples)
    model.check_sample(sample)
    with pytest.raises(KeyError, match=r'view "x0\.5" does not exist; the data gives'):
        model.check_sample(sample, late=list(model.wsss_modules))
    with pytest.raises(KeyError, match=r'view "x0\.4" does not exist.*make..*x0\.5'):
        classifier(SEAM, cls_views=('image', 'x0.4')).check_sample(sample)


def test_equal_views_have_no_er():
    assert classifier(dict(SEAM, scale=1.))(*batch(), mode='loss')['seam.loss_er'] < 1e-6
    assert classifier(SEAM)(*batch(), mode='loss')['seam.loss_er'] > 1e-4


def test_what_is_missing_is_said_at_start_up(tiny_backbone):
    with pytest.raises(ValueError, match='either scale or size'):
        classifier(dict(SEAM, size=16))
    with pytest.raises(ValueError, match="needs the .*GAPHead.*head=dict.type='SEAMHead'"):
        WSSSClassifier(tiny_backbone, dict(type='GAPHead', num_classes=3, in_channels=8), [SEAM])
