import numpy as np
import pytest

from mmwsss.datasets.transforms import (
    AffinityLabels,
    LoadAffinityScores,
    PackWSSSInputs,
    RandomFlip,
    RandomPadCrop,
)


def save(path, scores, keys=(2, 7)):
    np.savez_compressed(path, keys=np.array(keys), scores=np.asarray(scores, np.float16))
    return str(path)


def results(path, h=20, w=24):
    return dict(prior_path=path, img=np.full((h, w, 3), 7, np.uint8))


def stack(background, first, second, size=(16, 16)):
    return np.broadcast_to(np.array([background, first, second])[:, None, None], (3, *size))


def test_labels(tmp_path):
    """Four 8 x 8 cells: sure class, sure background, undecided, decided by the mean."""
    low, high = stack(.9, .1, 0).copy(), stack(.1, .9, 0).copy()
    low[:, :8, :8] = stack(.2, .1, .7, (8, 8))  # class 7 under much background
    high[:, :8, 8:] = stack(.8, .2, 0, (8, 8))  # background under little
    low[:, 8:, 8:] = stack(.6, .4, 0, (8, 8))
    low[:, 8:12, 8:] = stack(.1, .9, 0, (4, 8))  # the mean is .35 to .65
    path = save(tmp_path / 'a.npz', np.stack([low, high]))
    out = AffinityLabels(8)(LoadAffinityScores()(results(path, 16, 16)))
    assert out['prior_mask'].tolist() == [[8, 0], [255, 3]]


def test_follows_crop_and_flip(tmp_path):
    rng = np.random.default_rng(0)
    np.random.seed(0)
    scores = rng.uniform(size=(2, 3, 20, 24))
    path = save(tmp_path / 'a.npz', scores)
    data = LoadAffinityScores()(results(path))
    ids = np.arange(20 * 24).reshape(20, 24) + 1
    data['img'] = np.repeat(ids[..., None], 3, -1)  # where each pixel comes from
    data = RandomFlip(1.)(RandomPadCrop(32)(data))
    place = data['img'][..., 0]
    kept = data['affinity_scores']
    assert (kept[place == 0] == 0).all() and (place > 0).sum() == 480
    flat = scores.astype(np.float16).reshape(6, -1).T
    np.testing.assert_array_equal(kept[place > 0], flat[place[place > 0] - 1])
    data['img'] = data['img'].astype(np.uint8)
    packed = PackWSSSInputs()(AffinityLabels(8)(data))
    assert packed['data_samples']['image'].prior_mask.shape == (4, 4)


def test_padding_is_ignored(tmp_path):
    np.random.seed(0)
    data = LoadAffinityScores()(results(save(tmp_path / 'a.npz', np.ones((2, 3, 8, 8))), 8, 8))
    data['affinity_scores'] = np.pad(data['affinity_scores'], ((0, 8), (0, 8), (0, 0)))
    assert AffinityLabels(8)(data)['prior_mask'].tolist() == [[0, 255], [255, 255]]


def test_errors(tmp_path):
    with pytest.raises(FileNotFoundError, match='--refine affinity'):
        LoadAffinityScores()(results(str(tmp_path / 'no.npz')))
    path = save(tmp_path / 'a.npz', np.ones((2, 3, 8, 8)))
    with pytest.raises(ValueError, match='its image'):
        LoadAffinityScores()(results(path))
    (tmp_path / 'b.npz').write_bytes(b'nonsense')
    with pytest.raises(ValueError, match='b.npz'):
        LoadAffinityScores()(results(str(tmp_path / 'b.npz')))
