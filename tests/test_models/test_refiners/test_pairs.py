import pytest
import torch

from mmwsss.models.refiners.pairs import (
    feature_affinity,
    pair_labels,
    pair_offsets,
    path_affinity,
    path_points,
    shifted,
)


def starts(h, w, radius):
    return [(y, x) for y in range(h - radius + 1) for x in range(radius - 1, w - radius + 1)]


def test_pair_labels():
    torch.manual_seed(0)
    labels = torch.randint(0, 3, (2, 7, 9))
    labels[torch.rand(labels.shape) < 0.2] = 255
    bg, fg, negative = pair_labels(labels, 3)
    assert bg.shape == (2, len(pair_offsets(3)), 5, 5)
    for i, (dy, dx) in enumerate(pair_offsets(3)):
        for y, x in starts(7, 9, 3):
            a, b = int(labels[1, y, x]), int(labels[1, y + dy, x + dx])
            found = tuple(bool(kind[1, i, y, x - 2]) for kind in (bg, fg, negative))
            sure = 255 not in (a, b)
            assert found == (sure and a == b == 0, sure and a == b != 0, sure and a != b)


@pytest.mark.parametrize('grad', [False, True])
def test_feature_affinity(grad):
    torch.manual_seed(0)
    features = torch.randn(2, 40, 7, 9, requires_grad=grad)
    affinity = feature_affinity(features, 3)
    for i, (dy, dx) in enumerate(pair_offsets(3)):
        for y, x in starts(7, 9, 3):
            distance = features[:, :, y, x] - features[:, :, y + dy, x + dx]
            expected = torch.exp(-distance.abs().mean(1))
            torch.testing.assert_close(affinity[:, i, y, x - 2], expected)
    if grad:
        weight = torch.rand_like(affinity)
        got, = torch.autograd.grad((affinity * weight).sum(), features)
        end = torch.stack([shifted(features, 3, *offset) for offset in pair_offsets(3)], 2)
        plain = torch.exp(-(end - shifted(features, 3)[:, :, None]).abs().mean(1))
        expected, = torch.autograd.grad((plain * weight).sum(), features)
        torch.testing.assert_close(got, expected)


@pytest.mark.parametrize('grad', [False, True])
def test_path_affinity(grad):
    torch.manual_seed(0)
    edge = torch.rand(2, 8, 11, requires_grad=grad)
    affinity = path_affinity(edge, 4)
    expected = torch.stack([
        1 - torch.stack([shifted(edge, 4, *point) for point in path_points(*offset)]).amax(0)
        for offset in pair_offsets(4)], 1)
    torch.testing.assert_close(affinity, expected)
    if grad:
        weight = torch.rand_like(affinity)
        for result in zip(*(torch.autograd.grad((a * weight).sum(), edge)
                            for a in (affinity, expected))):
            torch.testing.assert_close(*result)
    y, x = 2, 5  # one path by hand: (2, 1) passes (0,0) (1,0) (1,1) (2,1); (2,0), (0,1) lie at .89
    dy, dx = 2, 1
    i = pair_offsets(4).index((dy, dx))
    points = [(0, 0), (1, 0), (1, 1), (2, 1), (2, 0), (0, 1)]
    top = max(edge[0, y + a, x + b] for a, b in points)
    torch.testing.assert_close(affinity[0, i, y, x - 3], 1 - top)


def test_too_small_a_map_has_no_pairs():
    assert feature_affinity(torch.rand(1, 3, 4, 8)).numel() == 0
    assert path_affinity(torch.rand(1, 5, 7)).numel() == 0
    with pytest.raises(ValueError, match='radius'):
        pair_offsets(0)
