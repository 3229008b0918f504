import sys
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from projects.example_method.entropy import EntropySpread, entropy_loss  # noqa: E402
from projects.example_method.metric import ObjectIoU  # noqa: E402
from projects.example_method.refiner import PartsMask, drop_small_parts  # noqa: E402


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
def test_drop_small_parts():
    scores = np.zeros((2, 6, 10), np.float32)
    scores[0] = 0.3
    scores[1, :4, :5] = 0.9  # 20 pixels
    scores[1, 5, 8:] = 0.9   # 2 pixels
    scores[1, :3, 9] = 0.9   # 3 pixels, apart from both
    result = drop_small_parts(scores, 0.125).argmax(0)
    expected = np.zeros((6, 10), int)
    expected[:4, :5], expected[:3, 9] = 1, 1
    assert (result == expected).all()
    with pytest.raises(ValueError, match='share=2'):
        PartsMask(share=2, bg=0.3)


def test_object_iou():
    metric = ObjectIoU()
    pred, gt = np.array([[0, 1, 2, 255, 3]]), np.array([[0, 2, 2, 1, 0]])
    metric.process(None, [dict(pred_mask=pred, gt_sem_seg=gt)])
    assert metric.compute_metrics(metric.results) == dict(IoU=pytest.approx(100 * 2 / 3))


@pytest.mark.slow
def test_refiner_metric_and_stage_in_pipeline_tool_and_report(tmp_path, monkeypatch):
    """All are named in the config only."""
    import json
    import subprocess

    from mmwsss.inference import read_config
    from mmwsss.pipeline import Pipeline
    from mmwsss.pipeline.report import print_table, rows_of, write_report
    from mmwsss.structures.artifacts import read_mask
    monkeypatch.chdir(ROOT)
    file = 'projects/example_method/configs/parts_shapes.py'
    data = dict(data_root=str(tmp_path / 'shapes'), num_images=6, image_size=48)
    options = {f'{loader}_dataloader.dataset.{key}': value
               for loader in ('train', 'val', 'test') for key, value in data.items()}
    options.update({'train_dataloader.batch_size': 3, 'train_dataloader.num_workers': 0,
                    'train_dataloader.persistent_workers': False, 'pipeline.baseline': None,
                    'pipeline.cam.num_workers': 0, 'pipeline.mask.num_workers': 0,
                    'train_cfg.max_epochs': 1, 'train_cfg.val_begin': 9,
                    'model.modules.0.begin': 0})
    cfg = read_config(file, options)
    pipeline = Pipeline(cfg, tmp_path / 'w', device='cpu')
    results = pipeline.run()
    assert list(pipeline.stages) == ['classify', 'cam', 'mask', 'metrics', 'coverage']
    split = pipeline.context.scored[0]
    masks = {name: read_mask(tmp_path / 'w' / 'mask' / f'{name}.png') for name in split.names}
    truth = {name: split.ground_truth(name) for name in split.names}
    both = sum(((masks[n] > 0) & (truth[n] > 0)).sum() for n in masks)
    either = sum(((masks[n] > 0) | (truth[n] > 0)).sum() for n in masks)
    value = results['metrics'][split.name]['object/IoU']
    assert value == pytest.approx(100 * both / either)
    covered = np.mean([100 * (mask > 0).mean() for mask in masks.values()])
    assert results['coverage']['splits'][split.name] == pytest.approx(covered)

    row = rows_of(pipeline)[0]
    assert f'{value:.2f}' in row and f'{covered:.1f}' in row
    print_table(pipeline)
    text = write_report(pipeline, 'x').read_text()
    assert 'object/IoU' in text and 'outlines' in text and 'covered' in text
    figures = json.loads((tmp_path / 'w' / 'report' / 'metrics.json').read_text())
    assert figures[pipeline.name][split.name]['coverage'] == pytest.approx(covered)

    dumped = [f'{key}={value}' for key, value in options.items()]
    done = subprocess.run(
        [sys.executable, '-W', 'ignore', 'tools/generate_masks.py', file, '--cams',
         str(tmp_path / 'w' / 'cam'), '--out', str(tmp_path / 'tool'), '--num-workers', '0',
         '--refine', 'type=PartsMask', 'share=0.2', f'bg={results["mask"]["threshold"]}',
         '--cfg-options', *dumped], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    for path in (tmp_path / 'w' / 'mask').glob('*.png'):
        assert path.read_bytes() == (tmp_path / 'tool' / path.name).read_bytes()
