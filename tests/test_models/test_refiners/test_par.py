import numpy as np
import pytest
import torch
import torch.nn.functional as F

from mmwsss.models.refiners import PAMR, PAR
from mmwsss.registry import MODELS

RING = [(-1, -1), (-1, 0), (-1, 1), (0, -1), (0, 1), (1, -1), (1, 0), (1, 1)]


def neighbours(x, y, col, dilations):
    height, width = x.shape[-2:]
    return np.stack([
        x[..., min(max(y + dy * d, 0), height - 1), min(max(col + dx * d, 0), width - 1)]
        for d in dilations for dy, dx in RING])


def softmax(x):
    x = np.exp(x - x.max())
    return x / x.sum()


def naive(img, scores, dilations, iters, kind):
    """Pixel by pixel, in float64."""
    img, scores = img.double().numpy(), scores.double().numpy()
    height, width = img.shape[-2:]
    distance = np.array([d * np.hypot(*offset) for d in dilations for offset in RING])
    weights = {}
    for y in range(height):
        for x in range(width):
            near, centre = neighbours(img, y, x, dilations), img[:, y, x]
            if kind == 'par':
                sigma = near.std(0, ddof=1)
                colour = -((np.abs(near - centre) / (sigma + 1e-8) / 0.3)**2).mean(1)
                place = -(distance / (distance.std(ddof=1) + 1e-8) / 0.3)**2
                weights[y, x] = softmax(colour) + 0.01 * softmax(place)
            else:
                sigma = np.concatenate([near] + [centre[None]] * len(dilations)).std(0, ddof=1)
                weights[y, x] = softmax(-(np.abs(near - centre) / (1e-8 + 0.1 * sigma)).mean(1))
    for _ in range(iters):
        new = np.empty_like(scores)
        for (y, x), weight in weights.items():
            new[:, y, x] = weight @ neighbours(scores, y, x, dilations)
        scores = new
    return scores


@pytest.mark.parametrize('kind,cls', [('par', PAR), ('pamr', PAMR)])
def test_formula(kind, cls):
    torch.manual_seed(0)
    img, scores = torch.rand(2, 3, 9, 7) * 255, torch.rand(2, 2, 9, 7)
    out = cls(dilations=(1, 3), num_iters=3)(img, scores)
    for i in range(2):
        expected = naive(img[i], scores[i], (1, 3), 3, kind)
        np.testing.assert_allclose(out[i].numpy(), expected, rtol=2e-4, atol=1e-6)


def test_default_is_the_papers():
    par = MODELS.build(dict(type='PAR'))
    assert par.dilations == (1, 2, 4, 8, 12, 24) and par.num_iters == 10


def test_scores_are_resized_and_grow_by_the_known_factor():
    img = torch.rand(1, 3, 12, 10)
    small = torch.rand(1, 2, 4, 5)
    par = PAR()
    full = F.interpolate(small, (12, 10), mode='bilinear', align_corners=True)
    torch.testing.assert_close(par(img, small), par(img, full))
    ones = par(img, torch.ones(1, 1, 12, 10))
    torch.testing.assert_close(ones, torch.full_like(ones, 1.01**10))


def test_scale_of_the_image_does_not_matter_and_channels_are_independent():
    torch.manual_seed(0)
    img, scores = torch.rand(1, 3, 10, 10), torch.rand(1, 3, 10, 10)
    par = PAR((1, 2), 4)
    out = par(img, scores)
    torch.testing.assert_close(par(img * 255, scores), out, rtol=1e-4, atol=1e-6)
    torch.testing.assert_close(par(img, scores[:, 1:2]), out[:, 1:2])
    assert (par(img, torch.zeros(1, 1, 10, 10)) == 0).all()


def test_diffuses_within_a_region_only():
    img = torch.zeros(1, 3, 12, 12)
    img[..., 6:] = 1
    img += torch.rand(1, 1, 12, 12, generator=torch.Generator().manual_seed(0)) * 0.02
    scores = torch.zeros(1, 1, 12, 12)
    scores[..., 4:8, 1:4] = 1
    out = PAR((1, 2), 10)(img, scores)[0, 0]
    assert out[:, :6].mean() > 20 * out[:, 6:].mean()


def test_wrong_options():
    with pytest.raises(ValueError, match='dilations'):
        PAR(dilations=())
    with pytest.raises(ValueError, match='num_iters'):
        PAR(num_iters=-1)


@pytest.mark.parametrize('down_scale, size', [(None, (6, 5)), (1, (13, 10)), (2, (6, 5)),
                                              (3, (4, 3)), (20, (1, 1))])
def test_masks_are_refined_at_reduced_size(down_scale, size):
    options = {} if down_scale is None else dict(down_scale=down_scale)
    mask = MODELS.build(dict(type='PARMask', bg=0.3, **options))
    seen = []
    mask.refiner.register_forward_pre_hook(lambda par, args: seen.extend(args))
    rng = np.random.default_rng(0)
    scores = mask.scores(rng.integers(0, 256, (13, 10, 3), np.uint8),
                         rng.random((2, 13, 10), np.float32))
    assert [tuple(x.shape) for x in seen] == [(1, 3, *size), (1, 3, *size)]
    assert scores.shape == (3, 13, 10)
