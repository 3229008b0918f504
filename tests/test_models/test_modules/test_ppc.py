"""PPC: prototypes and contrast terms against plain loops."""

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from mmwsss.models import WSSSClassifier
from mmwsss.models.modules.ppc import (
    PixelToPrototypeContrast,
    batch_prototypes,
    intra_view_loss,
    pixel_pseudo_labels,
    prototype_contrast_loss,
    rank_in_class,
)
from mmwsss.structures import WSSSDataSample


def unit(x):
    return x / np.linalg.norm(x, axis=-1, keepdims=True)


def pixels(count=40, dim=6, classes=5, seed=0):
    rng = np.random.default_rng(seed)
    return (unit(rng.normal(size=(count, dim))), unit(rng.normal(size=(classes, dim))),
            rng.integers(0, classes - 1, count), rng.random(count))


def test_pseudo_labels():
    revised = torch.tensor([[[[9., 9, 9]], [[0., 1, 2]], [[4., 0, 0]]]])
    scores, labels = pixel_pseudo_labels(revised, torch.tensor([[1., 0]]), 0.3)
    torch.testing.assert_close(
        scores[0, :, 0], torch.tensor([[0.3] * 3, [0, 0.5, 1], [1, 0, 0]]), atol=1e-4, rtol=0)
    assert labels.tolist() == [[[0, 1, 1]]]  # class 2 is not in the image


def test_prototypes_equal_a_plain_loop():
    rng = np.random.default_rng(0)
    features, scores = rng.normal(size=(30, 6)), rng.random((30, 4))
    scores[:, 0] = 0.1
    result = batch_prototypes(torch.tensor(features), torch.tensor(scores), 5).numpy()
    for label in range(4):
        order = scores[:, label] if label else -scores[:, 1:].max(1)
        best = np.argsort(-order)[:5]
        mean = (scores[best, label, None] * features[best]).sum(0)
        np.testing.assert_allclose(result[label], unit(mean), rtol=1e-6)
    scores[:, 2] = 0
    result = batch_prototypes(torch.tensor(features), torch.tensor(scores), 5)
    assert (result[2] == 0).all() and torch.isfinite(result).all()


def test_contrast_equals_a_plain_loop():
    features, prototypes, labels, _ = pixels()
    total = 0.
    for feature, label in zip(features, labels):
        exp = np.exp(prototypes @ feature / 0.1)
        total -= np.log(exp[label] / exp.sum())
    result = prototype_contrast_loss(*(torch.tensor(x) for x in (features, prototypes, labels)))
    assert result.item() == pytest.approx(total / len(labels))


def test_intra_view_equals_a_plain_loop():
    features, prototypes, labels, chance = pixels()
    means = []
    for label in np.unique(labels):
        mine = np.flatnonzero(labels == label)
        values = {}
        for i in mine:
            similarity = prototypes @ features[i]
            negatives = np.sort(similarity)[::-1][2:4]
            positive = np.exp(similarity[label] / 0.1)
            values[i] = -np.log(positive / (positive + np.exp(negatives / 0.1).sum()))
        random_half = mine[np.argsort(chance[mine])][:len(mine) // 2]
        by_similarity = mine[np.argsort(features[mine] @ prototypes[label])]
        last = int(len(mine) * 0.6)
        hard = by_similarity[last - len(mine) // 2:last]
        means.append(np.mean([values[i] for i in (*random_half, *hard)]))
    result = intra_view_loss(
        *(torch.tensor(x) for x in (features, prototypes, labels)), negatives=(2, 4),
        chance=torch.tensor(chance))
    assert result.item() == pytest.approx(np.mean(means))
    few = intra_view_loss(*(torch.tensor(x) for x in (features, prototypes[:4], labels)))
    assert torch.isfinite(few) and few > 0  # fewer classes than the ranks of the negatives


def test_rank_in_class():
    values = torch.tensor([3., 1, 2, 5, 4])
    labels = torch.tensor([2, 0, 2, 0, 2])
    assert rank_in_class(values, labels, labels.bincount()).tolist() == [1, 0, 0, 1, 2]


def classifier(*modules, **kwargs):
    torch.manual_seed(0)
    return WSSSClassifier(
        dict(type='TinyStages', out_indices=(1, 2, 3)),
        dict(type='SEAMHead', num_classes=3, in_channels=(6, 6, 8), mid_channels=(4, 4),
             pcm_channels=5, drop=0.), modules, **kwargs)


def batch():
    generator = torch.Generator().manual_seed(1)
    inputs = dict(image=torch.randn(2, 3, 32, 32, generator=generator))
    samples = [WSSSDataSample(gt_label=torch.tensor(row)) for row in ([1., 0, 0], [0., 1, 1])]
    for sample in samples:
        sample.saliency = torch.rand(32, 32, generator=generator)
    return inputs, dict(image=samples)


PPC = dict(type='PixelToPrototypeContrast', in_channels=8, proj_channels=6, size=16)
SEAM = dict(type='SelfSupervisedEquivariantAttention', size=16)
EPS = dict(type='ExplicitPseudoPixelSupervision', size=16, revised=True)


def public_view(model, labels, image, size, bg_score, top):
    """Unit pixels, pseudo labels and unit prototypes of one view, pixel by pixel."""
    output = model.extract(image)
    weight = model.wsss_modules[0].projection.weight[:, :, 0, 0]
    projected = torch.einsum('dc,nchw->ndhw', weight, output.extra['dropped']).clamp(min=0)

    def resized(x):
        return F.interpolate(x, size, mode='bilinear', align_corners=True).double().numpy()

    projected, revised = resized(projected), np.maximum(resized(output.extra['cam_rv']), 0)
    low, high = revised.min((2, 3), keepdims=True), revised.max((2, 3), keepdims=True)
    scores = np.maximum(revised - low - 1e-5, 0) / (high - low + 1e-5)
    features, rows, pseudo = [], [], []
    for n, y, x in np.ndindex(len(labels), *size):
        features.append(projected[n, :, y, x])
        rows.append([bg_score, *scores[n, 1:, y, x]])
        pseudo.append(np.argmax(rows[-1] * np.array([1, *labels[n]])))
    features, rows, prototypes = np.array(features), np.array(rows), []
    for label in range(rows.shape[1]):
        order = rows[:, label] if label else -rows[:, 1:].max(1)
        best = np.argsort(-order, kind='stable')[:top]
        prototypes.append(unit((rows[best, label, None] * features[best]).sum(0)))
    return unit(features), np.array(pseudo), np.array(prototypes)


def public_contrast(features, prototypes, labels, temperature):
    logits = features @ prototypes.T / temperature
    return np.mean([
        np.log(np.exp(row).sum()) - row[label] for row, label in zip(logits, labels)])


def public_intra(features, prototypes, labels, temperature, negatives, chance):
    means = []
    for label in np.unique(labels):
        mine = np.flatnonzero(labels == label)
        values = {}
        for i in mine:
            row = prototypes @ features[i] / temperature
            others = np.sort(row)[::-1][slice(*negatives)]
            values[i] = np.log(np.exp(row[label]) + np.exp(others).sum()) - row[label]
        half, last = len(mine) // 2, len(mine) * 6 // 10
        hard = mine[np.argsort(features[mine] @ prototypes[label])][last - half:last]
        chosen = [*mine[np.argsort(chance[mine])][:half], *hard]
        means.append(np.mean([values[i] for i in chosen]) if chosen else 0)
    return np.mean(means)


def test_module_equals_the_public_code(monkeypatch):
    """Prototypes of the other view, labels of the other view, and both of the same view."""
    bg_score, temperature, negatives = 0.3, 0.2, (1, 3)
    model = classifier(dict(
        PPC, size=48, bg_score=bg_score, top_fraction=1 / 6, temperature=temperature,
        negatives=negatives, cross_prototype=0.3, cross_label=0.5, intra=0.7))
    labels = np.array([[1., 0, 0], [0, 1, 1]])
    image = 4 * torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(2))
    chance = torch.rand(2 * 6 * 6, generator=torch.Generator().manual_seed(3))
    monkeypatch.setattr(torch, 'rand_like', lambda values: chance)
    samples = [WSSSDataSample(gt_label=torch.tensor(row).float()) for row in labels]
    losses = model(dict(image=image), dict(image=samples), mode='loss')
    small = F.interpolate(image, (48, 48), mode='bilinear', align_corners=True)
    with torch.no_grad():
        (f1, y1, p1), (f2, y2, p2) = (
            public_view(model, labels, x, (6, 6), bg_score, 6) for x in (image, small))
    assert (y1 != y2).any() and min(np.bincount(y1, minlength=4)) > 1
    expected = dict(
        cross_prototype=0.3 * (public_contrast(f1, p2, y1, temperature)
                               + public_contrast(f2, p1, y2, temperature)) / 2,
        cross_label=0.5 * (public_contrast(f1, p1, y2, temperature)
                           + public_contrast(f2, p2, y1, temperature)) / 2,
        intra=0.7 * (public_intra(f1, p1, y1, temperature, negatives, chance.numpy())
                     + public_intra(f2, p2, y2, temperature, negatives, chance.numpy())) / 2)
    for name, value in expected.items():
        assert losses[f'ppc.loss_{name}'].item() == pytest.approx(value, rel=1e-4), name


def test_all_of_ppc_with_eps_forwards_two_views(counted):
    model = classifier(SEAM, EPS, PPC, cls_views=('image', 's16'), cls_weight=0.5)
    losses = model(*batch(), mode='loss')
    assert counted(model.backbone) == 4
    assert {name for name in losses if name.startswith('ppc.')} == {
        'ppc.loss_cross_prototype', 'ppc.loss_cross_label', 'ppc.loss_intra'}
    assert 'eps.loss_sal_rv' in losses
    sum(value for name, value in losses.items() if name.startswith('ppc.')).backward()
    assert model.wsss_modules[2].projection.weight.grad.abs().sum() > 0
    assert model.backbone.stages[0].weight.grad.abs().sum() > 0
    assert model.head.classifier.weight.grad is None and model.head.pcm.join.weight.grad is None


def test_a_few_steps_pull_pixels_to_the_prototypes_of_their_classes():
    features, prototypes, labels, chance = (torch.tensor(x) for x in pixels())
    features.requires_grad_()
    optimizer = torch.optim.Adam([features], lr=0.05)
    history = []
    for _ in range(30):
        unit_features = features / features.norm(dim=1, keepdim=True)
        loss = (prototype_contrast_loss(unit_features, prototypes, labels)
                + intra_view_loss(unit_features, prototypes, labels, chance=chance))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        history.append(loss.item())
    assert history[-1] < 0.5 * history[0]
    nearest = (features @ prototypes.T).argmax(dim=1)
    assert (nearest == labels).float().mean() > 0.9


def test_what_is_missing_is_said_at_start_up(tiny_backbone):
    with pytest.raises(ValueError, match='either scale or size'):
        classifier(dict(PPC, size=None))
    with pytest.raises(ValueError, match='in_channels=4, but the last feature map has 8'):
        classifier(dict(PPC, in_channels=4))
    with pytest.raises(ValueError, match="needs the .*GAPHead.*head=dict.type='SEAMHead'"):
        WSSSClassifier(tiny_backbone, dict(type='GAPHead', num_classes=3, in_channels=8), [PPC])


def test_inference_by_probability():
    model = classifier().eval()
    image = batch()[0]['image']
    revised = model.predict_cam(image)
    assert revised.shape == (2, 3, 32, 32)
    model.head.infer, model.head.full_size = 'softmax', False
    output = model.extract(image)
    torch.testing.assert_close(model.predict_cam(image), output.scores.softmax(1)[:, 1:])


def test_the_projection_sees_what_the_head_classifies():
    """With a dropout of (almost) everything, all pixels of the projection are zero."""
    model = classifier(PPC)
    model.head.dropout.p = 1 - 1e-9
    seen = []
    module = next(m for m in model.modules() if isinstance(m, PixelToPrototypeContrast))
    module.projection.register_forward_hook(lambda module, args, out: seen.append(args[0]))
    model.train()(*batch(), mode='loss')
    assert len(seen) == 2 and all((x == 0).all() for x in seen)


def test_half_precision_counts_beyond_256():
    """bfloat16 holds no integer above 256 but even ones; sums over pixels are float32."""
    from mmwsss.models.modules.ppc import intra_view_loss
    generator = torch.Generator().manual_seed(0)
    features = torch.nn.functional.normalize(torch.randn(4096, 8, generator=generator), dim=1)
    prototypes = torch.nn.functional.normalize(torch.randn(4, 8, generator=generator), dim=1)
    labels, chance = torch.zeros(4096, dtype=torch.long), torch.rand(4096, generator=generator)
    expected = intra_view_loss(features, prototypes, labels, chance=chance)
    with torch.autocast('cpu', dtype=torch.bfloat16):
        found = intra_view_loss(features, prototypes, labels, chance=chance)
    assert abs(found.item() / expected.item() - 1) < 0.02
