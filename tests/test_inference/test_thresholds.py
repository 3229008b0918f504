"""Thresholds without ground truth, against plain loops of the published rules."""

import cv2
import numpy as np
import pytest

from mmwsss.inference import choose_threshold
from mmwsss.inference import thresholds as module
from mmwsss.structures.artifacts import save_cam


@pytest.fixture
def histograms():
    """Two images, each with two humps of CAM values."""
    rng = np.random.default_rng(0)
    rows = []
    for share in (0.3, 0.2):
        values = np.concatenate([rng.normal(0.15, 0.06, int(4000 * (1 - share))),
                                 rng.normal(0.7, 0.1, int(4000 * share))]).clip(0, 1)
        counts = np.histogram(values, 64, (0, 1))[0]
        rows.append(counts / counts.sum())
    return np.array(rows)


def sides(histograms, cut):
    p = histograms.mean(0)
    x = (np.arange(len(p)) + 0.5) / len(p)
    return p[:cut], p[cut:], x[:cut], x[cut:]


def middle(scores):
    """The best cut; where the histogram has a gap, the middle of the equal ones."""
    best = max(scores.values())
    return np.mean([cut for cut, score in scores.items() if score >= best - 1e-12]) / 64


def test_otsu(histograms):
    scores = {}
    for cut in range(1, 64):
        low, high, x_low, x_high = sides(histograms, cut)
        if low.sum() and high.sum():
            gap = (low * x_low).sum() / low.sum() - (high * x_high).sum() / high.sum()
            scores[cut] = low.sum() * high.sum() * gap**2
    assert module.otsu(histograms) == pytest.approx(middle(scores))
    one = [module.otsu(row[None]) for row in histograms]
    assert module.otsu_per_image(histograms) == pytest.approx(np.mean(one))


def test_entropy(histograms):
    scores = {}
    for cut in range(1, 64):
        low, high = sides(histograms, cut)[:2]
        if low.sum() > 1e-9 and high.sum() > 1e-9:
            scores[cut] = sum(-(q * np.log(q)).sum() for q in (
                low[low > 0] / low.sum(), high[high > 0] / high.sum()))
    assert module.entropy(histograms) == pytest.approx(middle(scores))


def test_cross_entropy(histograms):
    scores = {}
    for cut in range(1, 64):
        low, high, x_low, x_high = sides(histograms, cut)
        if low.sum() > 0 and high.sum() > 0:
            scores[cut] = sum((q * x).sum() * np.log((q * x).sum() / q.sum())
                              for q, x in ((low, x_low), (high, x_high)))
    expected = middle(scores)
    assert module.cross_entropy(histograms) == pytest.approx(expected)
    assert module.otsu_li(histograms)**2 == pytest.approx(expected * module.otsu(histograms))


def test_mean_share(histograms):
    p = histograms.mean(0)
    for share in (0.1, 0.24):
        scores = {cut: -abs(p[cut:].sum() - share) for cut in range(1, 64)}
        assert module.mean_share(histograms, share) == pytest.approx(middle(scores))
    mean = (p * (np.arange(64) + 0.5) / 64).sum()
    assert module.mean_cam(histograms) == module.mean_share(histograms, mean)


@pytest.fixture
def folder(tmp_path):
    """Images of a bright square; the CAM is .8 on it, .3 on a rim around it, and low elsewhere."""
    rng = np.random.default_rng(0)
    for name in ('a', 'b', 'c'):
        image = rng.integers(0, 10, (40, 40, 3)).astype(np.uint8)
        image[10:30, 10:30] += 200
        cv2.imwrite(str(tmp_path / f'{name}.png'), image)
        cam = rng.uniform(0, 0.1, (1, 40, 40))
        cam[0, 6:34, 6:34] = 0.3
        cam[0, 10:30, 10:30] = 0.8
        save_cam(tmp_path / f'{name}.npz', cam, [1], (40, 40))
    save_cam(tmp_path / 'empty.npz', np.zeros((0, 40, 40)), [], (40, 40))
    return tmp_path


def test_histograms_of_files(folder):
    rows = module.cam_histograms(folder, ['a', 'empty'], 10)
    assert rows.shape == (1, 10) and rows.sum() == pytest.approx(1)
    assert rows[0, 8] + rows[0, 7] == pytest.approx(400 / 1600)  # .8 in float16


@pytest.mark.parametrize('rule', ['otsu', 'otsu_per_image', 'otsu_li', 'crf'])
def test_rules_on_files(folder, rule):
    images = {name: str(folder / f'{name}.png') for name in 'abc'}
    low = dict(otsu_li=0.15).get(rule, 0.3)
    assert low <= choose_threshold(folder, ['a', 'b', 'c'], rule, images) < 0.8


def test_errors(folder):
    with pytest.raises(ValueError, match='no rule "best".*otsu'):
        choose_threshold(folder, ['a'], 'best')
    with pytest.raises(ValueError, match='no images'):
        choose_threshold(folder, [])
    with pytest.raises(ValueError, match='hold no class'):
        choose_threshold(folder, ['empty'])
    with pytest.raises(ValueError, match="'crf' needs the image files"):
        choose_threshold(folder, ['a'], 'crf')
