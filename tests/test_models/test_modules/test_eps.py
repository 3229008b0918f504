"""EPS: the saliency loss against a plain loop, the module's needs."""

import numpy as np
import pytest
import torch

from mmwsss.models import WSSSClassifier
from mmwsss.models.modules.eps import saliency_loss
from mmwsss.structures import WSSSDataSample


def naive_loss(scores, saliency, labels, tau, alpha):
    total = 0.
    for index in range(len(scores)):
        exp = np.exp(scores[index] - scores[index].max(0))
        prob = exp / exp.sum(0)
        height, width = prob.shape[1:]
        step = saliency.shape[1] // height
        small = saliency[index, ::step, ::step]  # nearest
        foreground, background = np.zeros((height, width)), prob[0].copy()
        for label in np.flatnonzero(labels[index]):
            claimed = np.round(prob[label + 1])
            overlap = (claimed * np.round(small)).sum() / (claimed.sum() + 1e-4 * claimed.size)
            if overlap > tau:
                foreground += prob[label + 1]
            else:
                background += prob[label + 1]
        implied = alpha * foreground + (1 - alpha) * (1 - background)
        total += ((implied - small)**2).mean()
    return total / len(scores)


@pytest.mark.parametrize('tau, alpha', [(0.4, 0.5), (0.9, 0.9), (0., 1.)])
def test_loss_equals_a_plain_loop(tau, alpha):
    rng = np.random.default_rng(0)
    scores = rng.normal(0, 3, (3, 5, 6, 4))
    saliency = rng.random((3, 12, 8))
    labels = np.array([[1, 0, 1, 0], [0, 1, 1, 1], [0, 0, 0, 1.]])
    expected = naive_loss(scores, saliency, labels, tau, alpha)
    result = saliency_loss(*(torch.tensor(x) for x in (scores, saliency, labels)), tau, alpha)
    assert result.item() == pytest.approx(expected, rel=1e-5)


def test_perfect_prediction_has_no_loss():
    saliency = torch.zeros(1, 4, 4)
    saliency[:, 1:3] = 1
    scores = torch.stack([100 * (1 - saliency[0]), 100 * saliency[0], torch.zeros(4, 4)])[None]
    labels = torch.tensor([[1., 0]])
    assert saliency_loss(scores, saliency, labels) < 1e-8
    assert saliency_loss(scores, 1 - saliency, labels) > 0.2  # the class is background then


EPS = dict(type='ExplicitPseudoPixelSupervision')
HEAD = dict(type='GAPHead', num_classes=3, in_channels=8, background=True)


def batch(saliency=True):
    generator = torch.Generator().manual_seed(1)
    inputs = dict(image=torch.randn(2, 3, 32, 32, generator=generator))
    samples = [WSSSDataSample(gt_label=torch.tensor(row)) for row in ([1., 0, 0], [0., 1, 1])]
    for sample in samples:
        sample.set_metainfo(dict(name='cat_01'))
        if saliency:
            sample.saliency = torch.rand(32, 32, generator=generator)
    return inputs, dict(image=samples)


def test_module_trains_the_background_score(tiny_backbone, counted):
    model = WSSSClassifier(tiny_backbone, HEAD, [EPS])
    losses = model(*batch(), mode='loss')
    assert set(losses) == {'loss_cls', 'eps.loss_sal'} and counted(model.backbone) == 2
    losses['eps.loss_sal'].backward()
    assert model.head.classifier.weight.grad[0].abs().sum() > 0


def test_second_view_is_averaged(tiny_backbone):
    model = WSSSClassifier(tiny_backbone, HEAD, [dict(EPS, size=16)])
    inputs, samples = batch()
    both = model(inputs, samples, mode='loss')['eps.loss_sal']
    views = model.views(inputs, samples)
    model.wsss_modules[0].add_views(views)
    saliency, labels = views.field('saliency'), views.labels()
    single = [saliency_loss(views[name].scores, saliency, labels) for name in ('image', 's16')]
    torch.testing.assert_close(both, sum(single) / 2)


def test_what_is_missing_is_said_at_start_up(tiny_backbone, sample_of):
    model = WSSSClassifier(tiny_backbone, HEAD, [dict(EPS, begin=5)])
    with pytest.raises(KeyError, match='needs the field "saliency".*"cat_01".*saliency_dir'):
        model.check_sample(sample_of(*batch(saliency=False)))
    with pytest.raises(ValueError, match='build the head with background=True'):
        WSSSClassifier(tiny_backbone, dict(HEAD, background=False), [EPS])
    with pytest.raises(ValueError, match="revised CAM for revised=True.*type='SEAMHead'"):
        WSSSClassifier(tiny_backbone, HEAD, [dict(EPS, revised=True)])
    with pytest.raises(ValueError, match='either scale or size, not scale=0.5 and size=16'):
        WSSSClassifier(tiny_backbone, HEAD, [dict(EPS, scale=0.5, size=16)])
    with pytest.raises(ValueError, match='tau=2'):
        WSSSClassifier(tiny_backbone, HEAD, [dict(EPS, tau=2)])
