"""PPC: prototypes and contrast terms against plain loops."""

import numpy as np
import pytest
import torch

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
    with pytest.raises(ValueError, match="needs head=dict.type='SEAMHead'"):
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
