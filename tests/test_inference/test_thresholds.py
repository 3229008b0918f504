"""Thresholds without ground truth, against plain loops of the published rules."""

import cv2
import numpy as np
import pytest
import torch

from mmwsss.inference import choose_threshold
from mmwsss.inference import thresholds as module
from mmwsss.inference.refined import refined_curve
from mmwsss.models.refiners import MaskRefiner, with_background
from mmwsss.models.utils.cam import resize_maps
from mmwsss.registry import MODELS
from mmwsss.structures.artifacts import save_cam

IRN = dict(
    type='IRNet', in_channels=(16, 16, 32, 64, 128), crop_size=64,
    backbone=dict(type='mmpretrain.ResNet', depth=18, base_channels=16, stem_channels=16,
                  strides=(1, 2, 2, 1), out_indices=(0, 1, 2, 3)))
PSA = dict(
    type='AffinityNet', in_channels=(16, 32, 128), channels=(4, 6, 8),
    backbone=dict(type='ResNet38d', width=1 / 32, out_indices=(4, 5, 6), norm_eval=False,
                  frozen_stages=-1))
LEVELS = [0.1, 0.25, 0.5, 0.7]


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


def test_crf_looks_at_images_with_a_class(folder, monkeypatch):
    """One of 100 images has a class, and it is not among 32 that are evenly spread."""
    names = [f'empty{i}' for i in range(99)]
    names.insert(1, 'a')
    for name in names:
        if name != 'a':
            save_cam(folder / f'{name}.npz', np.zeros((0, 40, 40)), [], (40, 40))
    images = {name: str(folder / 'a.png') for name in names}
    found = choose_threshold(folder, names, 'crf', images)
    assert found == choose_threshold(folder, ['a'], 'crf', images) > 0.05
    names.remove('a')
    with pytest.raises(ValueError, match='hold no class'):
        choose_threshold(folder, names, 'crf', images)


# -- masks at several thresholds -------------------------------------------------------------------
def walking(folder, name, **options):
    """A refiner, PAR or with a random network, and how often affinities or network are asked."""
    torch.manual_seed(0)
    if name == 'par':
        refiner, calls = MODELS.build(dict(type='PARMask', bg=0.3, **options)), []
        ask = refiner.refiner.affinity
        refiner.refiner.affinity = lambda image: calls.append(1) or ask(image)
        return refiner, calls
    kind, network, question = dict(irn=('IRNMask', IRN, 'edge'),
                                   psa=('PSAMask', PSA, 'features'))[name]
    torch.save(dict(state_dict=MODELS.build(network).state_dict()), folder / 'net.pth')
    refiner = MODELS.build(dict(type=kind, model=network, checkpoint=str(folder / 'net.pth'),
                                device='cpu', bg=0.3, log_steps=4, **options))
    ask, calls = getattr(refiner, question), []
    setattr(refiner, question, lambda image: calls.append(1) or ask(image))
    return refiner, calls


@pytest.mark.parametrize('options', [{}, dict(keep=0.5), dict(crf='psa_rw')], ids=str)
@pytest.mark.parametrize('name', ['irn', 'psa', 'par'])
def test_affinities_are_made_once_for_all_thresholds(folder, name, options):
    refiner, calls = walking(folder, name, **options)
    rng = np.random.default_rng(1)
    image = rng.integers(0, 256, (70, 85, 3), np.uint8)
    cam = rng.random((2, 5, 6)).astype(np.float32)
    cam[0, 0], cam[1, 2:4] = 0.25, 0  # ties with a background
    full = resize_maps(torch.from_numpy(cam), (70, 85)).numpy()
    masks = list(refiner.masks(image, cam, [1, 3], LEVELS))
    scores = list(refiner.scores_at(image, full, LEVELS))
    assert len(calls) == 2 and refiner.bg == 0.3
    for threshold, mask, score in zip(LEVELS, masks, scores, strict=True):
        refiner.bg = threshold  # a plain loop
        expected = refiner.scores(image, full)
        np.testing.assert_allclose(score, expected, atol=1e-6, rtol=1e-6)
        assert (score.argmax(0) == expected.argmax(0)).all()
        whole, kept = refiner.whole_and_kept(image, cam, [1, 3])
        assert (mask == whole).all() and mask.dtype == kept.dtype == np.uint8
        assert (refiner(image, cam, [1, 3]) == kept).all()
        assert (kept[kept != 255] == whole[kept != 255]).all()
        assert (kept == 255).any() == ('keep' in options)
    assert len({mask.tobytes() for mask in masks}) > 1  # the thresholds differ
    assert not any(mask.any() for mask in refiner.masks(image, cam[:0], [], LEVELS))


def test_one_constant_map_walks_for_all_thresholds(folder):
    refiner, _ = walking(folder, 'psa')
    walk, seen = refiner.walk, []
    refiner.walk = lambda image, stack: seen.append(stack.shape) or walk(image, stack)
    cam = np.random.default_rng(1).random((2, 40, 48), np.float32)
    assert len(list(refiner.scores_at(np.zeros((40, 48, 3), np.uint8), cam, LEVELS))) == 4
    assert seen == [(3, 40, 48)]


def test_any_refiner_takes_thresholds_in_place_of_its_own(folder):
    rng = np.random.default_rng(1)
    image, cam = rng.integers(0, 256, (9, 8, 3), np.uint8), rng.random((2, 9, 8), np.float32)
    refiner = MODELS.build(dict(type='ThresholdMask', alpha=3))
    for threshold, mask in zip(LEVELS, refiner.masks(image, cam, [1, 3], LEVELS), strict=True):
        expected = np.array([0, 2, 4])[with_background(cam, threshold).argmax(0)]
        assert (mask == expected).all()
    assert refiner.bg is None and refiner.alpha == 3


class _Split:
    """The folder's images; the square is class 1."""

    num_classes = 2

    def __init__(self, folder):
        self.folder, self.dataset = folder, self

    def __len__(self):
        return 3

    def get_data_info(self, i):
        return dict(name='abc'[i], img_path=str(self.folder / f'{"abc"[i]}.png'))

    def ground_truth(self, name):
        mask = np.zeros((40, 40), np.uint8)
        mask[10:30, 10:30] = 2
        return mask


@pytest.mark.parametrize('name', ['irn', 'psa'])
def test_the_oracle_asks_the_network_once_an_image(folder, name):
    refiner, calls = walking(folder, name)
    curve = refined_curve(refiner, LEVELS, _Split(folder), folder)
    assert len(calls) == 3 and len(curve) == len(LEVELS)
    alone = [refined_curve(refiner, [level], _Split(folder), folder)[0] for level in LEVELS]
    assert curve.tolist() == alone and len(set(alone)) > 1


def test_errors(folder):
    with pytest.raises(ValueError, match='no rule "best".*otsu'):
        choose_threshold(folder, ['a'], 'best')
    with pytest.raises(ValueError, match='no images'):
        choose_threshold(folder, [])
    with pytest.raises(ValueError, match='hold no class'):
        choose_threshold(folder, ['empty'])
    with pytest.raises(ValueError, match="'crf' needs the image files"):
        choose_threshold(folder, ['a'], 'crf')


@pytest.mark.parametrize('kind', ['PARMask', 'CRFMask', 'PSAMask', 'IRNMask'])
def test_a_childs_scores_count_at_all_thresholds(kind, tmp_path):
    """Also where the parent has a shorter way for several thresholds."""
    parent = MODELS.get(kind)

    class Own(parent):

        def scores(self, image, cam, background=None):
            return self.with_background(1 - cam)

    refiner = Own.__new__(Own)
    MaskRefiner.__init__(refiner, bg=0.3)  # without a network
    rng = np.random.default_rng(2)
    image, cam = rng.integers(0, 256, (9, 8, 3), np.uint8), rng.random((2, 9, 8), np.float32)
    for threshold, mask in zip(LEVELS, refiner.masks(image, cam, [1, 3], LEVELS), strict=True):
        expected = np.array([0, 2, 4])[with_background(1 - cam, threshold).argmax(0)]
        assert (mask == expected).all()


@pytest.mark.parametrize(('change', 'found'), [
    (lambda s: s[1:], r'ndarray \(2, 9, 8\)'), (lambda s: s[:, ::2], r'\(3, 5, 8\)'),
    (lambda s: s.transpose(1, 2, 0), r'\(9, 8, 3\)'), (lambda s: s.argmax(0), r'\(9, 8\)'),
    (lambda s: None, 'NoneType'), (lambda s: s * np.nan, 'some that are no number')])
def test_scores_of_an_own_refiner_are_checked(change, found):
    class Own(MaskRefiner):

        def scores(self, image, cam, background=None):
            return change(self.with_background(cam))

    image, cam = np.zeros((9, 8, 3), np.uint8), np.full((2, 9, 8), 0.5)
    message = rf'Own\.scores must give scores \(3, 9, 8\), background first; it gave .*{found}'
    with pytest.raises(ValueError, match=message):
        Own(bg=0.3)(image, cam, [0, 1])
    with pytest.raises(ValueError, match=message):
        next(Own(bg=0.3).masks(image, cam, [0, 1], [0.2]))


@pytest.mark.parametrize('options', [{}, dict(keep=0.5), dict(crf='psa_rw')], ids=str)
def test_a_large_image_is_refined_at_a_limited_size(options):
    """As the same image reduced by hand, with the scores enlarged; the threshold's search too."""
    sizes = []

    class Own(MaskRefiner):

        def scores(self, image, cam, background=None):
            sizes.append(image.shape[:2])
            return self.with_background(cam * (image.mean(2) / 255))

    rng = np.random.default_rng(3)
    image = cv2.resize(rng.integers(0, 256, (6, 9, 3), np.uint8), (180, 120))
    cam = rng.random((2, 6, 9)).astype(np.float32)
    whole, kept = Own(bg=0.3, max_side=90, **options).whole_and_kept(image, cam, [1, 3])
    assert sizes == [(60, 90)] and whole.shape == kept.shape == (120, 180)
    assert (kept == 255).any() == ('keep' in options)
    small = cv2.resize(image, (90, 60), interpolation=cv2.INTER_AREA)
    scores = Own(bg=0.3).scores(small, resize_maps(torch.from_numpy(cam), (60, 90)).numpy())
    if 'crf' not in options:
        full = resize_maps(torch.from_numpy(scores), (120, 180)).numpy().argmax(0)
        assert (whole == np.array([0, 2, 4])[full]).all()
    found = next(Own(bg=0.5, max_side=90, **options).masks(image, cam, [1, 3], [0.3]))
    assert (found == whole).all()
    sizes.clear()
    Own(bg=0.3, max_side=None)(image, cam, [1, 3])
    Own(bg=0.3)(image, cam, [1, 3])
    assert sizes == [(120, 180)] * 2
    with pytest.raises(ValueError, match='max_side=0 must be'):
        Own(bg=0.3, max_side=0)
