"""mIoU of masks, and SEAM's pixel correlation, against the straightforward formulation.

    python tools/benchmarks/metrics.py [--full]

The straightforward mIoU looks for each pair of classes in each image; the straightforward pixel
correlation makes, normalises and keeps the whole similarity of all pixels.
"""

from common import Row, alternate, check_equal, make_parser, report

# isort: split
import numpy as np
import torch
import torch.nn.functional as F

from mmwsss.evaluation import confusion_matrix
from mmwsss.models.heads.pcm import correlate


def by_pairs(pred: np.ndarray, gt: np.ndarray, count: int) -> np.ndarray:
    """Rows: ground truth, columns: prediction."""
    return np.array([[((gt == i) & (pred == j)).sum() for j in range(count)]
                     for i in range(count)])


def whole_similarity(features: torch.Tensor, maps: torch.Tensor) -> torch.Tensor:
    similarity = F.relu(features.transpose(1, 2) @ features)
    similarity = similarity / (similarity.sum(1, keepdim=True) + 1e-5)
    return maps.detach() @ similarity


def train(function, features: torch.Tensor, maps: torch.Tensor) -> torch.Tensor:
    features = features.clone().requires_grad_()
    out = function(features, maps)
    out.square().sum().backward()
    return features.grad


def main() -> None:
    args = make_parser(__doc__).parse_args()
    repeats = 10 if args.full else 3
    rng = np.random.default_rng(0)
    pred, gt = (rng.integers(0, 21, (375, 500), dtype=np.uint8) for _ in range(2))
    expected, found = by_pairs(pred, gt, 21), confusion_matrix(pred, gt, 20)
    if not np.array_equal(np.asarray(found)[:, :21], expected):
        raise AssertionError('the confusion matrices differ')
    times = alternate(dict(plain=lambda: by_pairs(pred, gt, 21),
                           ours=lambda: confusion_matrix(pred, gt, 20)), repeats)
    rows = [Row('mIoU of a mask of 375 x 500, 21 classes', times['plain'] * 1e3,
                times['ours'] * 1e3, 'ms', 'equal')]
    torch.manual_seed(0)
    side = 56 if args.full else 32
    features = F.normalize(torch.randn(2, 192, side * side), dim=1)
    maps = torch.rand(2, 21, side * side)
    check_equal(correlate(features, maps), whole_similarity(features, maps), 1e-5, 'PCM')
    check_equal(train(correlate, features, maps), train(whole_similarity, features, maps), 1e-3,
                'gradient of PCM')
    for what, plain, ours in (
            ('inference', lambda: whole_similarity(features, maps),
             lambda: correlate(features, maps)),
            ('training', lambda: train(whole_similarity, features, maps),
             lambda: train(correlate, features, maps))):
        times = alternate(dict(plain=plain, ours=ours), repeats)
        rows.append(Row(f'pixel correlation (SEAM), {what}', times['plain'] * 1e3,
                        times['ours'] * 1e3, 'ms', f'2 maps of {side} x {side}'))
    report(rows, args.json)


if __name__ == '__main__':
    main()
