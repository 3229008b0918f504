import sys
from functools import partial

import numpy as np
import pytest

from mmwsss.models.refiners import (
    CRF_PRESETS,
    DenseCRF,
    TorchCRF,
    has_pydensecrf,
    make_crf,
)
from mmwsss.models.refiners import crf as crf_module
from mmwsss.registry import MODELS
from mmwsss.utils.parallel import ordered_map

needs_pydensecrf = pytest.mark.skipif(not has_pydensecrf(), reason='pydensecrf is not installed')


def drawn(h=20, w=26, seed=0):
    """Two halves of different colour and a noisy score of the right one."""
    rng = np.random.default_rng(seed)
    img = np.zeros((h, w, 3), np.uint8)
    img[:, w // 2:] = (200, 80, 40)
    img += rng.integers(0, 20, img.shape, dtype=np.uint8)
    fg = np.clip(0.35 + 0.3 * (np.arange(w) >= w // 2) + rng.normal(0, .2, (h, w)), 0, 1)
    return img, np.stack([1 - fg, fg]).astype(np.float32)


def exact(img, energy, crf):
    """Mean field with the full n x n kernels, no lattice."""
    h, w = img.shape[:2]
    y, x = np.mgrid[:h, :w]
    place = np.stack([x, y], -1).reshape(-1, 2)
    colour = img.reshape(-1, 3).astype(float)

    def kernel(features):
        distance = ((features[:, None] - features[None])**2).sum(-1)
        k = np.exp(-distance / 2)
        norm = 1 / np.sqrt(k.sum(1))
        return norm[:, None] * k * norm

    smooth = kernel(place / crf.gauss_sxy)
    alike = kernel(np.concatenate([place / crf.bilateral_sxy, colour / crf.bilateral_srgb], 1))
    unary = energy.reshape(len(energy), -1)
    q = np.exp(-unary)
    q /= q.sum(0)
    for _ in range(crf.iters):
        q = np.exp(-unary + crf.gauss_compat * q @ smooth + crf.bilateral_compat * q @ alike)
        q /= q.sum(0)
    return q.reshape(energy.shape)


@pytest.mark.parametrize('name', sorted(CRF_PRESETS))
@needs_pydensecrf
def test_torch_equals_pydensecrf(name):
    img, prob = drawn()
    ours = TorchCRF(**CRF_PRESETS[name])(img, prob)
    theirs = DenseCRF(**CRF_PRESETS[name])(img, prob)
    np.testing.assert_allclose(ours, theirs, atol=5e-3)
    assert (ours.argmax(0) == theirs.argmax(0)).mean() > 0.998


@pytest.mark.parametrize('cls', [TorchCRF, pytest.param(DenseCRF, marks=needs_pydensecrf)])
def test_near_the_exact_mean_field(cls):
    img, prob = drawn(12, 14)
    crf = cls(iters=2, gauss_sxy=2, gauss_compat=1, bilateral_sxy=8, bilateral_srgb=20,
              bilateral_compat=1)
    out = crf(img, prob)
    expected = exact(img, -np.log(np.clip(prob, 1e-5, 1)), crf)
    assert np.abs(out - expected).mean() < 0.02  # the lattice is an approximation
    assert np.abs(out - prob).mean() > 0.05
    np.testing.assert_allclose(out.sum(0), 1, atol=1e-5)


@pytest.mark.parametrize('cls', [TorchCRF, pytest.param(DenseCRF, marks=needs_pydensecrf)])
def test_cleans_up(cls):
    img, prob = drawn()
    out = cls()(img, prob).argmax(0)
    truth = np.arange(26) >= 13
    assert (prob.argmax(0) == truth).mean() < 0.85 < 0.97 < (out == truth).mean()


@pytest.mark.parametrize('cls', [TorchCRF, pytest.param(DenseCRF, marks=needs_pydensecrf)])
def test_from_labels(cls):
    img, prob = drawn()
    crf, labels = cls(**CRF_PRESETS['irn_label']), prob.argmax(0)
    out = crf.from_labels(img, labels, 3)
    assert out.shape == (3, 20, 26)
    energy = np.where(np.arange(3)[:, None, None] == labels, 0.7, 0.15).astype(np.float32)
    np.testing.assert_allclose(out, crf(img, energy), atol=1e-5)
    assert (crf.from_labels(img, labels * 0, 1) == 1).all()
    energy = np.where(np.arange(3)[:, None, None] == labels, 0.7, 0.3 / 20).astype(np.float32)
    np.testing.assert_allclose(
        crf.from_labels(img, labels, 3, all_labels=21), crf(img, energy), atol=1e-5)


@pytest.mark.parametrize('options, calls', [
    (dict(type='CRFMask', bg=0.3, unary='labels'), 1), (dict(type='IRLabel'), 2),
    (dict(type='AffinityScores', unary='labels'), 2)])
def test_confidence_in_the_labels_reaches_the_crf(options, calls):
    img, prob = drawn()
    seen = []

    class Recorder(TorchCRF):
        def from_labels(self, img, labels, num_labels, gt_prob=None, all_labels=None):
            seen.append(gt_prob)
            return np.eye(num_labels, dtype=np.float32)[labels].transpose(2, 0, 1)

    for expected in (0.7, 0.9):
        given = {} if expected == 0.7 else dict(gt_prob=expected)
        MODELS.build(dict(options, preset=Recorder(), **given))(img, prob[1:], [4])
        assert seen == [expected] * calls
        seen.clear()


def test_wrong_input():
    img, prob = drawn()
    crf = TorchCRF()
    with pytest.raises(ValueError, match='uint8'):
        crf(img.astype(float), prob)
    with pytest.raises(ValueError, match='resize the scores'):
        crf(img, prob[:, ::2])
    with pytest.raises(ValueError, match='no CRF preset "x"'):
        make_crf('x')


@needs_pydensecrf
def test_make_crf():
    crf = make_crf(dict(preset='deeplab', iters=3))
    assert isinstance(crf, DenseCRF)
    assert (crf.iters, crf.bilateral_sxy, crf.bilateral_srgb, crf.bilateral_compat) == (3, 67, 3, 4)
    assert make_crf(crf) is crf and make_crf(None) is None
    assert isinstance(make_crf(dict(type='TorchCRF', iters=1)), TorchCRF)


def test_without_pydensecrf(monkeypatch):
    monkeypatch.setitem(sys.modules, 'pydensecrf', None)
    monkeypatch.setattr(crf_module, 'has_pydensecrf', lambda: False)
    assert isinstance(make_crf('psa'), TorchCRF)
    with pytest.raises(ImportError, match='pip install pydensecrf2'):
        DenseCRF()


def apply(crf, pair):
    return crf(*pair)


def test_processes_keep_order_and_say_what_failed():
    pairs = [drawn(8, 10, seed) for seed in range(4)]
    crf = TorchCRF(iters=1)
    for workers in (0, 2):
        for (img, prob), (_, out, error) in zip(
                pairs, ordered_map(partial(apply, crf), pairs, workers), strict=True):
            assert error is None
            np.testing.assert_allclose(out, crf(img, prob), atol=1e-5)
    pairs[2] = (pairs[2][0], pairs[2][1][:, 1:])
    errors = [error for *_, error in ordered_map(partial(apply, crf), pairs, 2)]
    assert errors[:2] == [None, None] and errors[3] is None and 'resize' in errors[2]


def test_a_crf_on_a_gpu_is_no_work_for_forked_processes():
    from mmwsss.inference.masks import device_of
    from mmwsss.models.refiners import AffinityScores, IRLabel
    on_gpu = dict(type='TorchCRF', device='cuda')
    assert device_of(MODELS.build(dict(type='CRFMask', bg=0.3, preset=on_gpu))).type == 'cuda'
    assert device_of(MODELS.build(dict(type='PARMask', bg=0.3, crf=on_gpu))).type == 'cuda'
    assert device_of(MODELS.build(dict(type='CRFMask', bg=0.3, crf=on_gpu))).type == 'cuda'
    assert device_of(MODELS.build(dict(type='CRFMask', bg=0.3))).type == 'cpu'
    for target in (IRLabel, AffinityScores):
        assert device_of(target(preset=on_gpu)).type == 'cuda'
        assert device_of(target()).type == 'cpu'
