import json
import os
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.evaluator import Evaluator
from PIL import Image

from mmwsss.datasets import ImageLabelDataset
from mmwsss.datasets.splits import Split
from mmwsss.evaluation import (
    SeedCurve,
    SeedMetric,
    confusion_matrix,
    mean_scores,
    seed_confusion,
    threshold_range,
)
from mmwsss.evaluation.seed_metric import in_held_out
from mmwsss.inference import score_cams
from mmwsss.structures import WSSSDataSample

C = 5
CLASSES = ('a', 'b', 'c', 'd', 'e')


def drawn(seed, dtype=np.float32):
    """A CAM full of ties: scores on a coarse grid that contains the thresholds."""
    rng = np.random.default_rng(seed)
    keys = np.sort(rng.choice(C, 2, replace=False))
    cam = np.zeros((C, 9, 11), dtype=dtype)
    cam[keys] = (rng.integers(0, 21, (2, 9, 11)) * 0.05).astype(dtype)
    gt = rng.integers(0, C + 1, (9, 11)).astype(np.int64)
    gt[cam[keys[0]] > 0.5] = keys[0] + 1
    gt[rng.random(gt.shape) < 0.1] = 255
    return cam, keys, gt


def seed_at(cam, threshold):
    """The field's way: stack the threshold upon the CAM, argmax."""
    cam = cam.astype(np.float32)
    return np.concatenate([np.full_like(cam[:1], threshold), cam]).argmax(0)


@pytest.mark.parametrize('dtype', [np.float32, np.float16])
@pytest.mark.parametrize('seed', range(4))
def test_every_threshold_is_scored_as_on_its_own(dtype, seed):
    cam, keys, gt = drawn(seed, dtype)
    thresholds = threshold_range(0, 1, 0.05)
    assert len(thresholds) == 21
    expected = np.stack([
        confusion_matrix(seed_at(cam, t), gt, C)[:, :-1] for t in thresholds])
    assert np.array_equal(seed_confusion(cam, None, gt, thresholds), expected)
    assert np.array_equal(seed_confusion(cam[keys], keys, gt, thresholds, C), expected)
    flipped = seed_confusion(cam[keys[::-1]], keys[::-1].copy(), gt, thresholds, C)
    assert np.array_equal(flipped, expected)
    assert np.array_equal(
        seed_confusion(torch.from_numpy(cam), None, torch.from_numpy(gt), thresholds), expected)


def test_ties_go_to_the_background_and_to_the_first_class():
    cam = np.array([0.5, 0.5, 0], dtype=np.float32)[:, None, None]
    gt = np.array([[2]])
    confusion = seed_confusion(cam, None, gt, np.array([0.4, 0.5, 0.6], dtype=np.float32))
    assert confusion[:, 2].argmax(-1).tolist() == [1, 0, 0]


def test_image_without_any_activation():
    gt = np.array([[0, 1, 255]])
    expected = np.zeros((2, C + 1, C + 1), dtype=int)
    expected[:, 0, 0] = expected[:, 1, 0] = 1
    thresholds = np.array([0, 0.5], dtype=np.float32)
    assert np.array_equal(
        seed_confusion(np.zeros((C, 1, 3), 'f4'), None, gt, thresholds), expected)
    assert np.array_equal(
        seed_confusion(np.zeros((0, 1, 3), 'f4'), np.zeros(0, int), gt, thresholds, C), expected)


def samples(count=12):
    result = []
    for seed in range(count):
        cam, _, gt = drawn(seed)
        sample = WSSSDataSample(metainfo=dict(name=f'2007_{seed:06d}'))
        sample.pred_cam, sample.gt_sem_seg = torch.from_numpy(cam), torch.from_numpy(gt)
        result.append(sample)
    return result


def evaluate(metric, batch):
    evaluator = Evaluator(metric)
    evaluator.dataset_meta = dict(classes=CLASSES)
    for sample in batch:
        evaluator.process([sample], None)
    return evaluator.evaluate(len(batch))


def scan(batch, thresholds):
    """Mean scores at every threshold, each scored on its own."""
    return [
        mean_scores(sum(
            confusion_matrix(seed_at(s.pred_cam.numpy(), t), s.gt_sem_seg.numpy(), C)
            for s in batch)) for t in thresholds]


def test_oracle_held_out_and_fixed(tmp_path):
    batch = samples()
    metrics = evaluate(
        SeedMetric((0.05, 0.6, 0.05), fixed=0.33, out_file=str(tmp_path / 'seed.json')), batch)
    thresholds = threshold_range(0.05, 0.6, 0.05)

    scores = scan(batch, thresholds)
    best = int(np.argmax([x['mIoU'] for x in scores]))
    assert metrics['seed/threshold@oracle'] == pytest.approx(thresholds[best])
    for key in ('mIoU', 'mPrecision', 'mRecall', 'FPR', 'FNR'):
        assert metrics[f'seed/{key}@oracle'] == pytest.approx(scores[best][key])

    part = [in_held_out(s.name, 0.5) for s in batch]
    assert 2 < sum(part) < 10
    held = scan([s for s, x in zip(batch, part) if x], thresholds)
    chosen = thresholds[int(np.argmax([x['mIoU'] for x in held]))]
    rest, = scan([s for s, x in zip(batch, part) if not x], [chosen])
    assert metrics['seed/threshold@held_out'] == pytest.approx(chosen)
    assert metrics['seed/mIoU@held_out'] == pytest.approx(rest['mIoU'])

    fixed, = scan(batch, [np.float32(0.33)])
    assert metrics['seed/threshold@fixed'] == 0.33
    assert metrics['seed/mIoU@fixed'] == pytest.approx(fixed['mIoU'])

    record = json.loads((tmp_path / 'seed.json').read_text())
    assert len(record['curve']['mIoU']) == 13
    swept = scan(batch, record['curve']['thresholds'])
    for key in ('mIoU', 'mPrecision', 'mRecall', 'FPR', 'FNR'):
        assert record['curve'][key] == pytest.approx([row[key] for row in swept])
    assert set(record['per_class']['oracle']['iou']) == {'background', *CLASSES}


def test_own_background_needs_no_threshold(tmp_path):
    batch, total = samples(6), 0
    rng = np.random.default_rng(7)
    for sample in batch:
        cam, gt = sample.pred_cam.numpy(), sample.gt_sem_seg.numpy()
        background = (rng.integers(0, 21, gt.shape) * 0.05).astype('f4')
        sample.pred_background = torch.from_numpy(background)
        seed = np.zeros_like(gt)
        for y, x in np.ndindex(gt.shape):
            best = background[y, x]
            for key in range(C):
                if cam[key, y, x] > best:
                    best, seed[y, x] = cam[key, y, x], key + 1
        total = total + confusion_matrix(seed, gt, C)
    metrics = evaluate(SeedMetric((0, 0.6, 0.1), out_file=str(tmp_path / 'seed.json')), batch)
    for key, value in mean_scores(total).items():
        assert metrics[f'seed/{key}@own'] == pytest.approx(value)
    assert 'seed/threshold@own' not in metrics and 'seed/mIoU@oracle' in metrics
    record = json.loads((tmp_path / 'seed.json').read_text())
    assert set(record['per_class']['own']['iou']) == {'background', *CLASSES}

    del batch[0].pred_background  # not every image has one: no such score
    assert 'seed/mIoU@own' not in evaluate(SeedMetric((0, 0.6, 0.1)), batch)


def test_own_background_of_another_size():
    sample, = samples(1)
    sample.pred_background = torch.zeros(3, 3)
    with pytest.raises(ValueError, match='image 2007_000000: background of shape'):
        evaluate(SeedMetric(), [sample])


def test_fixed_alone():
    batch = samples(3)
    metrics = evaluate(SeedMetric(None, fixed=0.3), batch)
    expected, = scan(batch, [np.float32(0.3)])
    assert set(metrics) == {
        f'seed/{key}@fixed' for key in ('threshold', 'mIoU', 'mPrecision', 'mRecall', 'FPR', 'FNR')}
    assert metrics['seed/mPrecision@fixed'] == pytest.approx(expected['mPrecision'])


def test_too_few_images_to_hold_out():
    metrics = evaluate(SeedMetric((0.1, 0.5, 0.1)), samples(1))
    assert 'seed/mIoU@oracle' in metrics and 'seed/mIoU@held_out' not in metrics


def test_cam_with_keys_gives_the_same():
    batch = samples(4)
    expected = evaluate(SeedMetric(), batch)
    for sample, seed in zip(batch, range(4)):
        cam, keys, _ = drawn(seed)
        del sample.pred_cam
        sample.cam, sample.keys_ = torch.from_numpy(cam[keys]), torch.from_numpy(keys)
    metric = SeedMetric()
    metric.dataset_meta = dict(classes=CLASSES)
    metric.process(None, [
        dict(name=s.name, cam=s.cam, keys=s.keys_, gt_sem_seg=s.gt_sem_seg) for s in batch])
    assert metric.evaluate(4) == expected


@pytest.mark.parametrize('options, message', [
    (dict(thresholds=None), 'fixed'),
    (dict(thresholds=(0.5, 0.1, 0.1)), 'start <= stop'),
    (dict(thresholds=(0, 1.5, 0.1)), 'start <= stop'),
    (dict(thresholds=(0, 1, 0)), 'step > 0'),
    (dict(held_out=1.0), 'held_out'),
])
def test_bad_options(options, message):
    with pytest.raises(ValueError, match=message):
        SeedMetric(**options)


@pytest.mark.parametrize('change, message', [
    (lambda s: s.pop('gt_sem_seg'), 'gt_sem_seg'),
    (lambda s: s.pop('pred_cam'), 'pred_cam'),
    (lambda s: s.update(pred_cam=s['pred_cam'][:, 1:]), 'shape'),
    (lambda s: s.update(pred_cam=s['pred_cam'] * 9), 'normalise'),
    (lambda s: s.update(pred_cam=s['pred_cam'] * float('nan')), 'nan'),
    (lambda s: s.update(pred_cam=s['pred_cam'][1:]), '4 maps'),
    (lambda s: s.update(gt_sem_seg=s['gt_sem_seg'] + C), 'class id'),
    (lambda s: s.update(gt_sem_seg=-s['gt_sem_seg']), 'class id -'),
])
def test_bad_sample_is_named(change, message):
    metric = SeedMetric()
    metric.dataset_meta = dict(classes=CLASSES)
    sample = samples(1)[0].to_dict()
    change(sample)
    with pytest.raises(ValueError, match=f'2007_000000.*{message}'):
        metric.process(None, [sample])


def test_folder_of_cams(tmp_path):
    for folder in ('cam', 'gt', 'img'):
        (tmp_path / folder).mkdir()
    total = 0
    for seed in range(3):
        cam, keys, gt = drawn(seed, np.float16)
        np.savez(tmp_path / 'cam' / f'{seed}.npz', cam=cam[keys], keys=keys, size=gt.shape)
        Image.fromarray(gt.astype(np.uint8)).save(tmp_path / 'gt' / f'{seed}.png')
        Image.new('RGB', gt.shape[::-1]).save(tmp_path / 'img' / f'{seed}.jpg')
        total = total + seed_confusion(cam, None, gt, threshold_range(0, 0.6, 0.1))
    (tmp_path / 'labels.json').write_text(json.dumps({str(seed): ['a'] for seed in range(3)}))
    split = Split(ImageLabelDataset(str(tmp_path), label_file='labels.json', img_dir='img',
                                    seg_dir='gt', metainfo=dict(classes=CLASSES)))
    found = score_cams(split, tmp_path / 'cam', thresholds=(0, 0.6, 0.1), held_out=0,
                       out_file=tmp_path / 'seeds.json')
    curve = SeedCurve(threshold_range(0, 0.6, 0.1), total)
    written = json.loads((tmp_path / 'seeds.json').read_text())['curve']
    assert written['thresholds'] == pytest.approx(curve.thresholds)
    for key, values in curve.means.items():
        assert written[key] == pytest.approx(values)
    assert found['threshold@oracle'] == pytest.approx(curve.best)
    assert curve.scores(curve.best)['mIoU'] == pytest.approx(curve.miou.max())
    assert found['mIoU@oracle'] == pytest.approx(curve.miou.max())
    with pytest.raises(KeyError, match='0.25'):
        curve.at(0.25)
    (tmp_path / 'cam' / '1.npz').unlink()
    with pytest.raises(FileNotFoundError, match='1.npz'):
        score_cams(split, tmp_path / 'cam')
    (tmp_path / 'cam' / '0.npz').write_bytes(b'no')
    with pytest.raises(ValueError, match='0.npz'):
        score_cams(split, tmp_path / 'cam')


@pytest.mark.slow
def test_two_processes_count_as_one(tmp_path):
    """Three images on two ranks: the one repeated to fill up must not be counted twice."""
    script = tmp_path / 'two.py'
    script.write_text(textwrap.dedent('''
        import json, sys
        import torch.distributed as dist
        from mmwsss.evaluation import SeedMetric
        from test_seed_metric import CLASSES, samples
        rank, store = int(sys.argv[1]), 'file://' + sys.argv[2]
        dist.init_process_group('gloo', init_method=store, rank=rank, world_size=2)
        metric = SeedMetric(held_out=0)
        metric.dataset_meta = dict(classes=CLASSES)
        batch = samples(3)
        for i in ([0, 2], [1, 0])[rank]:
            metric.process(None, [batch[i].to_dict()])
        metrics = metric.evaluate(3)
        print(json.dumps(metrics))
        dist.destroy_process_group()  # or gloo's threads may abort at exit
    '''))
    root = Path(__file__).parents[2]
    ranks = [subprocess.Popen(
        [sys.executable, script, str(rank), str(tmp_path / 'store')], cwd=root,
        env=dict(os.environ, PYTHONPATH=f'{root}:{Path(__file__).parent}', OMP_NUM_THREADS='1'),
        stdout=subprocess.PIPE, text=True) for rank in range(2)]
    outputs = [process.communicate(timeout=120)[0] for process in ranks]
    expected = evaluate(SeedMetric(held_out=0), samples(3))
    for output in outputs:
        assert json.loads(output.strip().splitlines()[-1]) == pytest.approx(expected)


def test_a_sweep_that_ends_too_early_says_so(monkeypatch):
    said = []
    monkeypatch.setattr('mmwsss.evaluation.seed_metric.print_log',
                        lambda text, *args, **kwargs: said.append(text))
    cam, gt = torch.zeros(C, 4, 4), torch.zeros(4, 4, dtype=torch.uint8)
    cam[0], cam[0, 0], gt[0] = 0.55, 1., 1  # the object is what is above .55
    sample = dict(name='a', pred_cam=cam, gt_sem_seg=gt)
    for thresholds, best in (((0, 0.6, 0.1), 0.6), ((0, 0.95, 0.01), 0.55)):
        metrics = evaluate(SeedMetric(thresholds, held_out=0), [sample])
        assert metrics['seed/mIoU@oracle'] == 100
        assert metrics['seed/threshold@oracle'] == pytest.approx(best, abs=0.011)
    warnings = [text for text in said if 'last of the sweep' in text]
    assert len(warnings) == 1 and '(0.6)' in warnings[0]
