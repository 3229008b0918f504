"""Time SeedMetric per image, beside scoring each threshold on its own.

    python tools/benchmarks/seed_metric.py
"""

import argparse
import time

import numpy as np
import torch

from mmwsss.evaluation import SeedMetric, confusion_matrix, seed_confusion, threshold_range


def milliseconds(function, repeats: int) -> float:
    function()
    start = time.perf_counter()
    for _ in range(repeats):
        function()
    return 1000 * (time.perf_counter() - start) / repeats


def one_by_one(cam: np.ndarray, gt: np.ndarray, thresholds: np.ndarray, num_classes: int):
    result = []
    for threshold in thresholds:
        stack = np.concatenate([np.full_like(cam[:1], threshold), cam])
        result.append(confusion_matrix(stack.argmax(0), gt, num_classes)[:, :-1])
    return np.stack(result)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--size', type=int, nargs=2, default=(375, 500), metavar=('H', 'W'))
    parser.add_argument('--classes', type=int, default=20)
    parser.add_argument('--present', type=int, default=2, help='classes in the image')
    parser.add_argument('--step', type=float, default=0.01)
    parser.add_argument('--repeats', type=int, default=20)
    parser.add_argument('--json', help='also write the rows of the table to this file')
    args = parser.parse_args()

    torch.set_num_threads(1)
    rng = np.random.default_rng(0)
    cam = np.zeros((args.classes, *args.size), dtype=np.float32)
    cam[:args.present] = rng.random((args.present, *args.size))
    gt = rng.integers(0, args.classes + 1, args.size)
    gt[:10] = 255
    thresholds = threshold_range(0, 0.6, args.step)
    assert np.array_equal(
        seed_confusion(cam, None, gt, thresholds), one_by_one(cam, gt, thresholds, args.classes))

    metric = SeedMetric((0, 0.6, args.step), num_classes=args.classes)
    sample = dict(name='x', pred_cam=torch.from_numpy(cam), gt_sem_seg=torch.from_numpy(gt))
    ours = milliseconds(lambda: metric.process(None, [sample]), args.repeats)
    naive = milliseconds(
        lambda: one_by_one(cam, gt, thresholds, args.classes), max(1, args.repeats // 20))
    print(f'{args.size[0]}x{args.size[1]}, {args.classes} classes, {len(thresholds)} thresholds, '
          f'1 thread: SeedMetric {ours:.1f} ms, each threshold on its own {naive:.0f} ms '
          f'({naive / ours:.0f} times as long)')
    if args.json:
        from common import Row, save
        save([Row(f'threshold sweep of an image, {len(thresholds)} thresholds', naive, ours, 'ms',
                  f'{args.size[0]} x {args.size[1]}, {args.classes} classes')], args.json)


if __name__ == '__main__':
    main()
