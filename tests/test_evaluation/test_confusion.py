import json

import numpy as np
import pytest
import torch
from PIL import Image

from mmwsss.datasets import ImageLabelDataset
from mmwsss.datasets.splits import Split
from mmwsss.evaluation import (
    class_confusions,
    confusion_matrix,
    image_scores,
    iou_from_confusion,
    mask_confusion,
    mask_iou,
    mean_scores,
    pair_rates,
    scores_from_confusion,
)
from mmwsss.structures.artifacts import read_mask

C = 4


def random_masks(seed, void=True):
    rng = np.random.default_rng(seed)
    gt = rng.integers(0, C, (13, 17)).astype(np.uint8)  # class C never occurs in it
    pred = np.where(rng.random(gt.shape) < 0.5, gt, rng.integers(0, C, gt.shape)).astype(np.uint8)
    gt[rng.random(gt.shape) < 0.1] = 255
    if void:
        pred[rng.random(gt.shape) < 0.1] = 255
    return pred, gt


def naive_counts(pred, gt):
    counts = np.zeros((C + 1, C + 2), dtype=int)
    for p, g in zip(pred.ravel(), gt.ravel()):
        if g != 255:
            counts[g, C + 1 if p == 255 else p] += 1
    return counts


def test_confusion_matrix_counts_every_pixel():
    pred, gt = random_masks(0)
    assert np.array_equal(confusion_matrix(pred, gt, C), naive_counts(pred, gt))


@pytest.mark.parametrize('void', [False, True])
def test_iou_is_that_of_mmseg(void):
    from mmseg.evaluation import IoUMetric
    metric = IoUMetric(iou_metrics=['mIoU', 'mFscore'])
    metric.dataset_meta = dict(classes=[str(i) for i in range(C + 1)])
    total = 0
    for seed in range(3):
        pred, gt = random_masks(seed, void)
        metric.process(None, [dict(
            pred_sem_seg=dict(data=torch.from_numpy(pred.astype(np.int64))[None]),
            gt_sem_seg=dict(data=torch.from_numpy(gt.astype(np.int64))[None]))])
        total = total + confusion_matrix(pred, gt, C)
    areas = [sum(x) for x in zip(*metric.results)]
    theirs = IoUMetric.total_area_to_metrics(*areas, ['mIoU', 'mFscore'])
    ours = scores_from_confusion(total)
    np.testing.assert_allclose(ours.iou, theirs['IoU'], rtol=1e-6)
    np.testing.assert_allclose(ours.precision, theirs['Precision'], rtol=1e-6)
    np.testing.assert_allclose(ours.recall, theirs['Recall'], rtol=1e-6)
    assert np.isnan(ours.iou[C])
    assert metric.evaluate(3)['mIoU'] == pytest.approx(mean_scores(total)['mIoU'], abs=5e-3)


def test_scores_by_hand():
    # rows exact, columns predicted: class 1 has 6 hits, 2 misses, 4 false alarms
    confusion = np.array([[10, 4, 0], [1, 6, 1], [0, 0, 3]])
    scores = scores_from_confusion(confusion)
    assert scores.iou[1] == pytest.approx(6 / 12)
    assert scores.precision[1] == pytest.approx(6 / 10)
    assert scores.recall[1] == pytest.approx(6 / 8)
    assert scores.fpr[1] == pytest.approx(4 / 12)
    assert scores.fnr[1] == pytest.approx(2 / 12)
    np.testing.assert_allclose(scores.iou + scores.fpr + scores.fnr, 1)
    means = mean_scores(confusion)
    assert means['mPrecision'] == pytest.approx(100 * (6 / 10 + 3 / 4) / 2)  # no background
    assert means['mIoU'] == pytest.approx(100 * (10 / 15 + 6 / 12 + 3 / 4) / 3)
    assert means['mIoU'] + means['FPR'] + means['FNR'] == pytest.approx(100)


def test_class_confusions():
    confusion = np.array([[9, 0, 0, 0], [0, 5, 2, 1], [0, 4, 8, 0], [0, 0, 0, 0]])
    first, second = class_confusions(confusion, [(1, 2), (2, 1)], ['background', 'a', 'b', 'c'])
    assert (first['exact'], first['called'], first['pixels']) == ('b', 'a', 4)
    assert first['rate'] == pytest.approx(4 / 12) and first['ratio'] == pytest.approx(4 / 5)
    assert second['pixels'] == 2 and second['rate'] == pytest.approx(2 / 8)
    assert len(class_confusions(confusion)) == 6
    assert pair_rates(confusion, [(1, 2), (2, 1), (3, 1)]) == pytest.approx([25, 100 / 3, 0])
    assert class_confusions(confusion, [(1, 3)])[0]['ratio'] == float('inf')


@pytest.mark.parametrize('change, message', [
    (lambda pred, gt: (pred[1:], gt), 'shape'),
    (lambda pred, gt: (np.full_like(pred, C + 1), gt), f'class id {C + 1}'),
    (lambda pred, gt: (pred, np.full_like(gt, 254)), 'class id 254'),
    (lambda pred, gt: (pred.astype(float), gt), 'integers'),
])
def test_bad_masks(change, message):
    with pytest.raises(ValueError, match=message):
        confusion_matrix(*change(*random_masks(0)), C)


def write_masks(folder, masks):
    folder.mkdir()
    for name, mask in masks.items():
        Image.fromarray(mask).save(folder / f'{name}.png')


def split_of(root, masks):
    """Images of these ground-truth masks."""
    (root / 'img').mkdir()
    for name, mask in masks.items():
        Image.new('RGB', mask.shape[::-1]).save(root / 'img' / f'{name}.jpg')
    write_masks(root / 'gt', masks)
    (root / 'labels.json').write_text(json.dumps({name: ['k1'] for name in masks}))
    return Split(ImageLabelDataset(
        str(root), label_file='labels.json', img_dir='img', seg_dir='gt',
        metainfo=dict(classes=('k1', 'k2', 'k3', 'k4'))))


def test_mask_iou_of_folders(tmp_path):
    pairs = {name: random_masks(seed) for seed, name in enumerate('ab')}
    write_masks(tmp_path / 'pred', {name: pred for name, (pred, _) in pairs.items()})
    split = split_of(tmp_path, {name: gt for name, (_, gt) in pairs.items()})
    total = sum(naive_counts(*pair) for pair in pairs.values())
    scores = mask_iou(tmp_path / 'pred', split)
    assert scores['mIoU'] == pytest.approx(100 * np.nanmean(iou_from_confusion(total)))
    assert len(scores['IoU']) == C + 1


@pytest.mark.parametrize('background', [True, False])
def test_scores_of_images(tmp_path, background):
    """With and without the background among the classes, of a folder and of masks in memory."""
    pairs = {name: random_masks(seed) for seed, name in enumerate('ab')}
    pred, gt = pairs['b'][0] * 0, pairs['b'][1].copy()
    gt[gt == 1] = 0
    pred[:2] = 1  # nowhere in the truth
    pairs['b'] = pred, gt
    pairs['none'] = pred * 0, gt * 0
    write_masks(tmp_path / 'pred', {name: pred for name, (pred, _) in pairs.items()})
    split = split_of(tmp_path, {name: gt for name, (_, gt) in pairs.items()})
    expected = {}
    for name, (pred, gt) in pairs.items():
        rows = []
        for c in range(0 if background else 1, C + 1):
            p, g = (pred == c) & (gt != 255), gt == c
            if (p | g).any():
                hit = (p & g).sum()
                rows.append((hit / (p | g).sum(), hit / max(p.sum(), 1), hit / max(g.sum(), 1)))
        if rows:
            expected[name] = dict(zip(('IoU', 'precision', 'recall'), 100 * np.mean(rows, 0)))
    assert ('none' in expected) == background
    for masks in (tmp_path / 'pred', lambda name: pairs[name][0]):
        found = image_scores(masks, split, background=background)
        assert set(found) == set(expected)
        for name, scores in found.items():
            assert scores == pytest.approx(expected[name])
    assert image_scores(masks, split, ['b'], background) == {'b': found['b']}
    assert image_scores(masks, split, [], background) == {}
    if background:  # as in mIoU
        alone = mean_scores(confusion_matrix(*pairs['a'], C))
        assert found['a']['IoU'] == pytest.approx(alone['mIoU'])


def test_mask_iou_names_the_bad_file(tmp_path):
    pred, gt = random_masks(0)
    split = split_of(tmp_path, dict(a=gt, b=gt))
    write_masks(tmp_path / 'pred', dict(a=pred))
    with pytest.raises(FileNotFoundError, match='b.png'):
        mask_iou(tmp_path / 'pred', split)
    write_masks(tmp_path / 'small', dict(a=pred, b=pred[1:]))
    with pytest.raises(ValueError, match='b.png'):
        mask_iou(tmp_path / 'small', split)
    (tmp_path / 'small' / 'a.png').write_bytes((tmp_path / 'pred' / 'a.png').read_bytes()[:60])
    with pytest.raises(ValueError, match='a.png'):
        mask_iou(tmp_path / 'small', split)


def test_a_coloured_mask_is_refused(tmp_path):
    Image.new('RGB', (4, 4)).save(tmp_path / 'x.png')
    with pytest.raises(ValueError, match='mode RGB'):
        read_mask(tmp_path / 'x.png')


def test_truth_of_a_split_with_another_ending_and_a_subset(tmp_path):
    """Ids, endings and classes are those of the data set, whichever they are."""
    gt = random_masks(0)[1]
    (tmp_path / 'img').mkdir()
    Image.new('RGB', gt.shape[::-1]).save(tmp_path / 'img' / 'a b.jpg')
    write_masks(tmp_path / 'gt', {'a b_truth': gt})
    (tmp_path / 'labels.json').write_text('{"a b": ["k2"]}')
    dataset = ImageLabelDataset(
        str(tmp_path), label_file='labels.json', img_dir='img', seg_dir='gt',
        seg_suffix='_truth.png',
        metainfo=dict(all_classes=('k1', 'k2', 'k3', 'k4'), classes=('k3', 'k2')))
    wanted = np.vectorize({0: 0, 1: 255, 2: 2, 3: 1, 255: 255}.get)(gt).astype(np.uint8)
    pred = np.where(np.random.default_rng(1).random(gt.shape) < 0.5, 1, 2).astype(np.uint8)
    write_masks(tmp_path / 'pred', {'a b': pred})
    split = Split(dataset)
    counts = mask_confusion(tmp_path / 'pred', split)
    assert np.array_equal(counts, confusion_matrix(pred, wanted, 2))
    write_masks(tmp_path / 'wrong', {'a b': np.full_like(gt, 3)})
    with pytest.raises(ValueError, match='a b.png.*class id 3'):
        mask_iou(tmp_path / 'wrong', split)
    Image.fromarray(np.full_like(gt, 77)).save(tmp_path / 'gt' / 'a b_truth.png')
    with pytest.raises(ValueError, match='a b_truth.png" has the class id 77'):
        mask_iou(tmp_path / 'pred', split)
