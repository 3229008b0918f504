import numpy as np
import pytest
import torch

from mmwsss.evaluation import ImageLabelAP, ImageLabelMetric


@pytest.fixture
def samples():
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(20, 3, generator=generator)
    labels = (logits + torch.randn(20, 3, generator=generator) > 0).float()
    return [dict(name=str(i), pred_logits=x, gt_label=y)
            for i, (x, y) in enumerate(zip(logits, labels))]


def test_f1_of_the_logits_at_zero(samples):
    metric = ImageLabelMetric(average='micro')
    metric.process(None, samples)
    pred = np.array([(s['pred_logits'] > 0).numpy() for s in samples])
    exact = np.array([s['gt_label'].numpy() > 0 for s in samples])
    hits = (pred & exact).sum()
    expected = 100 * 2 * hits / (pred.sum() + exact.sum())
    metrics = metric.evaluate(20)
    assert metrics['multi-label/f1-score_micro'] == pytest.approx(expected, rel=1e-4)


def test_mean_average_precision(samples):
    metric = ImageLabelAP()
    metric.process(None, samples)
    scores = torch.stack([s['pred_logits'] for s in samples]).numpy()
    exact = torch.stack([s['gt_label'] for s in samples]).numpy()
    precisions = []
    for c in range(3):
        ranked = exact[np.argsort(-scores[:, c]), c]
        precisions.append(
            np.mean([ranked[:k + 1].mean() for k in np.flatnonzero(ranked)]))
    assert metric.evaluate(20)['multi-label/mAP'] == pytest.approx(
        100 * np.mean(precisions), rel=1e-4)


@pytest.mark.parametrize('key', ['pred_logits', 'gt_label'])
def test_what_is_missing_is_named(samples, key):
    del samples[4][key]
    with pytest.raises(ValueError, match=f'image 4: no {key}'):
        ImageLabelAP().process(None, samples)
