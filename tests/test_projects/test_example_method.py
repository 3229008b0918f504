import sys
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from projects.example_method.entropy import EntropySpread, entropy_loss  # noqa: E402


def test_against_numpy():
    rng = np.random.default_rng(0)
    cam = rng.normal(size=(2, 3, 4, 5))
    labels = np.array([[1, 0, 1], [0, 1, 0]])
    terms = []
    for i, c in zip(*np.nonzero(labels)):
        p = np.maximum(cam[i, c], 0) + 1e-6
        p /= p.sum()
        terms.append(max(0.9 - -(p * np.log(p)).sum() / np.log(20), 0))
    got = entropy_loss(torch.tensor(cam), torch.tensor(labels), 0.9)
    assert got.item() == pytest.approx(np.mean(terms), rel=1e-5)


def test_even_map_costs_nothing_and_a_peak_much():
    labels = torch.ones(1, 1)
    assert entropy_loss(torch.ones(1, 1, 4, 4), labels) == 0
    peak = torch.zeros(1, 1, 4, 4)
    peak[0, 0, 1, 1] = 5
    assert entropy_loss(peak, labels) == pytest.approx(0.8, abs=0.01)
    assert entropy_loss(peak, 0 * labels) == 0


def test_in_a_classifier(monkeypatch):
    from mmengine.config import Config

    import mmwsss.models  # noqa: F401
    from mmwsss.registry import MODELS
    from mmwsss.structures import WSSSDataSample
    monkeypatch.chdir(ROOT)
    cfg = Config.fromfile('projects/example_method/configs/entropy_shapes.py')
    model = MODELS.build(cfg.model)
    model.wsss_modules[0].begin = 0
    sample = WSSSDataSample(gt_label=torch.tensor([1., 0, 0, 0, 0, 1]))
    losses = model.loss({'image': torch.randn(2, 3, 32, 32)}, {'image': [sample, sample]})
    assert set(losses) == {'loss_cls', 'entropy.loss_spread'}
    assert losses['entropy.loss_spread'].requires_grad
    with pytest.raises(ValueError, match='target=2'):
        EntropySpread(target=2)


def test_its_data_view(monkeypatch, tmp_path):
    """The config's view is the sample's image blurred by a drawn sigma; its module sees it."""
    import cv2
    from mmengine.config import Config
    from mmengine.dataset import pseudo_collate

    import mmwsss.models  # noqa: F401
    from mmwsss.datasets import EpochIndex
    from mmwsss.models.classifiers import Progress
    from mmwsss.registry import DATASETS, MODELS
    from projects.example_method.blurred import BlurredView
    monkeypatch.chdir(ROOT)
    cfg = Config.fromfile('projects/example_method/configs/blurred_shapes.py')
    data = dict(cfg.train_dataloader.dataset, data_root=str(tmp_path), num_images=4, image_size=40)
    dataset = DATASETS.build(data)
    assert set(dataset[EpochIndex(1, 7)]['inputs']) == {'image'}
    sample = dataset[EpochIndex(1, 8)]
    sigma = np.random.default_rng([0, 8, 1, zlib.crc32(b'blurred'), 1]).uniform(0.5, 2)
    image = sample['inputs']['image'].permute(1, 2, 0).numpy()
    np.testing.assert_array_equal(
        sample['inputs']['blurred'].permute(1, 2, 0), cv2.GaussianBlur(image, (0, 0), sigma))
    assert torch.equal(sample['data_samples']['blurred'].gt_label,
                       sample['data_samples']['image'].gt_label)

    model = MODELS.build(cfg.model)
    model.check_sample(sample)
    with pytest.raises(KeyError, match='view "blurred"'):
        model.check_sample(dataset[EpochIndex(1, 0)])
    model.set_progress(Progress(epoch=8))
    batch = pseudo_collate([dataset[EpochIndex(i, 8)] for i in range(2)])
    losses = model(**model.data_preprocessor(batch, True), mode='loss')
    assert set(losses) == {'loss_cls', 'entropy.loss_spread', 'blurred.loss_spread'}
    with pytest.raises(ValueError, match='sigma'):
        BlurredView(sigma=(2, 1))
