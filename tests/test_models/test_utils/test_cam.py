import numpy as np
import pytest
import torch

from mmwsss.models.utils import background_score, cam_to_seed, normalize_cam


@pytest.mark.parametrize('mode', ['max', 'minmax'])
def test_normalize_cam_matches_loops(mode):
    cam = torch.randn(2, 3, 4, 5)
    cam[0, 1] = -cam[0, 1].abs()  # no evidence at all
    cam[1, 0] = cam[1, 0].abs() + 1  # the minimum is not zero
    got = normalize_cam(cam, mode).numpy()
    for n in range(2):
        for c in range(3):
            r = np.maximum(cam[n, c].double().numpy(), 0)
            if mode == 'max':
                want = r / (r.max() + 1e-5)
            else:
                want = np.maximum(r - r.min() - 1e-5, 0) / (r.max() - r.min() + 1e-5)
            np.testing.assert_allclose(got[n, c], want, atol=1e-6)
    assert got[0, 1].max() == 0


def test_normalize_cam_names_a_wrong_mode():
    with pytest.raises(ValueError, match="'max' or 'minmax'"):
        normalize_cam(torch.zeros(1, 1, 2, 2), 'softmax')


def test_background_score():
    cam = torch.rand(2, 3, 4, 5)
    want = (1 - cam.numpy().max(axis=1, keepdims=True)) ** 4
    got = background_score(cam, 4)
    assert got.shape == (2, 1, 4, 5)
    np.testing.assert_allclose(got, want, rtol=1e-5)
    assert background_score(torch.full((1, 2, 1, 1), 1 + 1e-6), 0.5).item() == 0


@pytest.mark.parametrize('per_pixel', [False, True])
def test_cam_to_seed_matches_loops(per_pixel):
    cam = torch.rand(3, 4, 5, 6)
    labels = torch.tensor([[1., 0, 1, 0], [0, 0, 0, 1], [0, 0, 0, 0]])
    bg = torch.rand(3, 1, 5, 6) if per_pixel else 0.5
    seed = cam_to_seed(cam, labels, bg)
    assert seed.dtype == torch.int64
    for n in range(3):
        for y in range(5):
            for x in range(6):
                best, choice = float(bg[n, 0, y, x]) if per_pixel else bg, 0
                for c in range(4):
                    if labels[n, c] and cam[n, c, y, x] > best:
                        best, choice = float(cam[n, c, y, x]), c + 1
                assert seed[n, y, x] == choice


def test_cam_to_seed_background_wins_ties_and_absent_classes_never_win():
    cam = torch.tensor([[[[0., 1.]], [[0., 1.]]]])
    assert cam_to_seed(cam, torch.tensor([[1., 0.]]), 0.).tolist() == [[[0, 1]]]
    assert cam_to_seed(cam, torch.tensor([[0., 0.]]), 0.).tolist() == [[[0, 0]]]


def test_the_first_of_equals_wins():
    cam = torch.full((1, 3, 2, 2), 0.5)
    assert (cam_to_seed(cam, torch.tensor([[0., 1, 1]]), 0.1) == 2).all()
    assert (cam_to_seed(cam, torch.ones(1, 3), 0.5) == 0).all()
