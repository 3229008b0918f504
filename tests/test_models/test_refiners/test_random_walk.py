import numpy as np
import pytest
import torch

from mmwsss.models.refiners import propagate_irn, propagate_psa, random_walk
from mmwsss.models.refiners.pairs import pair_offsets, path_points
from mmwsss.models.refiners.random_walk import irn_affinity, map_stride, pool_scores


def half_disc(radius):
    return [(y, x) for y in range(radius) for x in range(-radius, radius + 1)
            if y * y + x * x < radius * radius and (y > 0 or x > 0)]


def walk(scores, matrix, beta, log_steps):
    """Dense: power, column normalisation, repeated squaring."""
    matrix = matrix**beta
    matrix = matrix / matrix.sum(0, keepdims=True)
    for _ in range(log_steps):
        matrix = matrix @ matrix
    return (scores.reshape(len(scores), -1) @ matrix).reshape(scores.shape)


def dense_psa(scores, features, radius, beta, log_steps):
    _, h, w = features.shape
    matrix = np.eye(h * w)
    for y in range(h - radius + 1):
        for x in range(radius - 1, w - radius + 1):
            for dy, dx in half_disc(radius):
                difference = np.abs(features[:, y, x] - features[:, y + dy, x + dx])
                i, j = y * w + x, (y + dy) * w + x + dx
                matrix[i, j] = matrix[j, i] = np.exp(-difference.mean())
    return walk(scores, matrix, beta, log_steps)


def dense_irn(scores, edge, radius, beta, log_steps):
    h, w = edge.shape
    matrix = np.eye(h * w)
    for dy, dx in half_disc(radius):
        # By the distance of a point from the line, not by the integer test of the implementation.
        path = [(y, x) for y in range(0, dy + 1) for x in range(min(dx, 0), max(dx, 0) + 1)
                if abs(dy * x - dx * y) / np.hypot(dy, dx) < 1 - 1e-9]
        for y in range(h):
            for x in range(w):
                if y + dy < h and 0 <= x + dx < w:
                    top = max(edge[y + py, x + px] for py, px in path)
                    i, j = y * w + x, (y + dy) * w + x + dx
                    matrix[i, j] = matrix[j, i] = 1 - top
    return walk(scores * (1 - edge), matrix, beta, log_steps)


def blobs(k, h, w, seed):
    """CAM-like scores: peaks that fall to almost nothing."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:h, :w]
    maps = [np.exp(-((y - rng.uniform(0, h))**2 + (x - rng.uniform(0, w))**2) / rng.uniform(4, 40))
            for _ in range(k)]
    return np.stack(maps)


def check(out, expected):
    out = out.numpy().astype(np.float64)
    assert (out.argmax(0) == expected.argmax(0)).all()
    assert np.abs(out - expected).max() <= 1e-4 * np.abs(expected).max()
    # Element by element, not only beside the largest score.
    positive = expected > 1e-25
    assert (np.abs(out - expected)[positive] / expected[positive]).max() <= 1e-4


SIZES = [(9, 9), (5, 9), (17, 12), (12, 30), pytest.param((40, 40), marks=pytest.mark.slow)]


@pytest.mark.parametrize('size', SIZES)
@pytest.mark.parametrize('sharp', [0.2, 2.])
def test_psa_equals_dense(size, sharp):
    rng = np.random.default_rng(sum(size))
    features = sharp * rng.normal(size=(6, *size))
    scores = np.concatenate([blobs(2, *size, 1), rng.uniform(size=(1, *size))])
    out = propagate_psa(torch.tensor(scores).float(), torch.tensor(features).float())
    check(out, dense_psa(scores, features, 5, 8, 8))


@pytest.mark.parametrize('size', SIZES + [(3, 4), (1, 7), (6, 2)])
@pytest.mark.parametrize('power', [1, 12])
def test_irn_equals_dense(size, power):
    rng = np.random.default_rng(sum(size))
    edge = rng.uniform(size=size)**power  # few strong boundaries, or boundaries everywhere
    scores = np.concatenate([blobs(2, *size, 1), rng.uniform(size=(1, *size))])
    out = propagate_irn(torch.tensor(scores).float(), torch.tensor(edge).float())
    check(out, dense_irn(scores, edge, 5, 10, 8))


def test_other_radius_beta_steps():
    rng = np.random.default_rng(0)
    features, edge = rng.normal(size=(4, 8, 11)), rng.uniform(size=(8, 11))**4
    scores = rng.uniform(size=(2, 8, 11))
    given = torch.tensor(scores).float()
    out = propagate_psa(given, torch.tensor(features).float(), radius=3, beta=4, log_steps=6)
    check(out, dense_psa(scores, features, 3, 4, 6))
    out = propagate_irn(given, torch.tensor(edge).float(), radius=4, beta=6, log_steps=3)
    check(out, dense_irn(scores, edge, 4, 6, 3))


def test_batch_equals_one_by_one():
    torch.manual_seed(0)
    scores, features = torch.rand(2, 3, 10, 12), torch.randn(2, 5, 10, 12)
    edge = torch.rand(2, 10, 12)
    for function, guide in ((propagate_psa, features), (propagate_irn, edge)):
        both = function(scores, guide)
        for i in range(2):
            torch.testing.assert_close(both[i], function(scores[i], guide[i]))


def test_psa_map_too_small_for_any_pair():
    scores = torch.rand(2, 4, 8)
    torch.testing.assert_close(propagate_psa(scores, torch.randn(3, 4, 8)), scores)


def test_absent_class_stays_zero_and_does_not_change_others():
    torch.manual_seed(0)
    scores, features = torch.rand(3, 10, 12), torch.randn(5, 10, 12)
    scores[1] = 0
    out = propagate_psa(scores, features)
    assert (out[1] == 0).all()
    torch.testing.assert_close(out[::2], propagate_psa(scores[::2], features))


def test_intermediate_steps():
    torch.manual_seed(0)
    scores, edge = torch.rand(1, 2, 9, 9), torch.rand(1, 9, 9)
    affinity = irn_affinity(edge)**10
    stages = list(random_walk(scores, affinity, (0, 4, 64)))
    torch.testing.assert_close(stages[0], scores)
    torch.testing.assert_close(stages[2], next(random_walk(scores, affinity, (64, ))))
    with pytest.raises(ValueError, match='rise'):
        next(random_walk(scores, affinity, (4, 4)))


def test_mismatched_sizes():
    with pytest.raises(ValueError, match='map size'):
        propagate_psa(torch.rand(2, 9, 9), torch.rand(3, 9, 10))


def test_offsets_and_paths():
    assert len(pair_offsets(5)) == 34 and len(pair_offsets(10)) == 152
    assert set(pair_offsets(5)) == set(half_disc(5))
    assert path_points(0, 2) == ((0, 0), (0, 1), (0, 2))
    # Exactly one away from the line is not on the path.
    assert set(path_points(1, 1)) == {(0, 0), (0, 1), (1, 0), (1, 1)}
    assert set(path_points(3, 0)) == {(0, 0), (1, 0), (2, 0), (3, 0)}
    for dy, dx in pair_offsets(10):
        assert {(0, 0), (dy, dx)} <= set(path_points(dy, dx))


@pytest.mark.parametrize('stride', [4, 8])
def test_the_stride_of_narrow_images(stride):
    for height in (16, 33, 100):
        for width in range(stride // 2 + 1, 60):
            size = -(-height // stride), -(-width // stride)
            assert map_stride((height, width), size) == stride
            pooled, found = pool_scores(torch.ones(1, height, width), size)
            assert found == stride and pooled.shape[1:] == size
