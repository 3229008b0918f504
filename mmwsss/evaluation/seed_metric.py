"""The metric of CAMs: seeds at all background thresholds, from one pass over the split."""

import hashlib
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from mmengine.evaluator import BaseMetric
from mmengine.logging import print_log
from prettytable import PrettyTable
from torch import Tensor

from mmwsss.registry import METRICS
from mmwsss.structures.artifacts import write_record

from .confusion import mean_scores, scores_from_confusion
from .seed import (
    SWEEP,
    SeedCurve,
    histogram_confusion,
    own_confusion,
    seed_histogram,
    sum_histograms,
    threshold_range,
)


def in_held_out(name: str, fraction: float) -> bool:
    """Whether an image is in the part on which the threshold is chosen.

    By a hash of its name: the same on every machine and for every order of the list.
    """
    digest = hashlib.sha256(name.encode()).digest()
    return int.from_bytes(digest[:8], 'big') < fraction * 2**64


@METRICS.register_module()
class SeedMetric(BaseMetric):
    """mIoU, precision, recall, FPR and FNR of seeds at every background threshold.

    Identical to scoring each threshold on its own, at the cost of one. What is reported, in percent
    (means as in :func:`~mmwsss.evaluation.mean_scores`):

    - ``mIoU@oracle``, ``threshold@oracle``, ...: the best threshold *of this very split*, as the
      field's papers report seeds. It has seen the ground truth.
    - ``mIoU@held_out``, ``threshold@held_out``, ...: the threshold that is best on a held-out part
      of the split (drawn by a hash of the names), scored on the rest.
    - ``mIoU@fixed``, ...: the threshold ``fixed``, if one is given (EADER: 0.3).
    - ``mIoU@own``, ...: no threshold, the argmax with the network's own background (SIPE); where
      every sample has one.

    Each sample holds the ground truth ``gt_sem_seg`` ``(H, W)`` (255 is not scored), its ``name``,
    and ``pred_cam`` ``(C, H, W)`` in [0, 1] with absent classes zero, or ``cam`` ``(K, H, W)`` with
    ``keys`` ``(K,)``; and ``pred_background`` ``(H, W)``, if the network scores the background.

    Args:
        thresholds: ``(start, stop, step)`` in [0, 1], ``stop`` included; None for ``fixed`` alone.
        fixed: One threshold to report in any case.
        held_out: Share of the images on which the threshold is chosen; 0 leaves this out.
        num_classes: Number ``C`` of foreground classes. Default: that of the dataset's ``classes``.
        out_file: JSON file for the scores per class and the whole ``curve``: mIoU, precision,
            recall, FPR and FNR at every threshold.
        collect_device: As in mmengine.
        prefix: As in mmengine.

    Raises:
        ValueError: An option, or a sample's CAM or mask, is out of its range; a sample's message
            names the image.
    """

    default_prefix = 'seed'

    def __init__(
        self,
        thresholds: Sequence[float] | None = SWEEP,
        fixed: float | None = None,
        held_out: float = 0.5,
        num_classes: int | None = None,
        out_file: str | None = None,
        collect_device: str = 'cpu',
        prefix: str | None = None,
    ) -> None:
        super().__init__(collect_device=collect_device, prefix=prefix)
        if thresholds is None and fixed is None:
            raise ValueError('SeedMetric needs thresholds=(start, stop, step), fixed=..., or both')
        if not 0 <= held_out < 1:
            raise ValueError(f'held_out={held_out} must be a share in [0, 1)')
        self.swept = threshold_range(*thresholds) if thresholds is not None else np.empty(0, 'f4')
        alone = threshold_range(fixed, fixed, 1) if fixed is not None else np.empty(0, 'f4')
        self.thresholds = np.unique(np.concatenate([self.swept, alone]))
        self.fixed = fixed
        self.held_out = held_out
        self.num_classes = num_classes
        self.out_file = out_file

    def process(self, data_batch: Any, data_samples: Sequence[dict]) -> None:
        """Count the pixels of each sample; see the class for what a sample holds."""
        num_classes = self._num_classes()
        for sample in data_samples:
            name = sample.get('name')
            if name is None:
                raise ValueError('SeedMetric: a sample has no name; pack the meta key "name"')
            full = 'pred_cam' in sample
            try:
                if 'gt_sem_seg' not in sample or not (full or 'cam' in sample and 'keys' in sample):
                    raise ValueError(
                        'needs gt_sem_seg (ground truth; loaded?), and pred_cam or cam + keys')
                maps = (sample['pred_cam' if full else 'cam'], None if full else sample['keys'],
                        sample['gt_sem_seg'])
                histogram = seed_histogram(*maps, self.thresholds, num_classes)
                own = None
                if sample.get('pred_background') is not None:
                    own = _sparse(own_confusion(sample['pred_background'], *maps, num_classes))
            except ValueError as error:
                raise ValueError(f'SeedMetric, image {name}: {error}') from error
            # One sparse record per image (not one sum per rank): the sampler repeats images to
            # fill up the ranks, and mmengine drops the repeated records by their position.
            self.results.append((in_held_out(str(name), self.held_out),
                                 *(x.int().cpu() for x in histogram), own))

    def _num_classes(self) -> int:
        if self.num_classes is None:
            classes = (self.dataset_meta or {}).get('classes')
            if not classes:
                raise ValueError('SeedMetric: the dataset names no classes; give num_classes')
            return len(classes)
        return self.num_classes

    def compute_metrics(self, results: list[tuple]) -> dict[str, float]:
        """Sum the counts of all ranks, choose the thresholds and score them."""
        if not results:
            raise ValueError('SeedMetric has seen no image: the evaluated split is empty')
        num_classes = self._num_classes()
        chosen, rest = (
            SeedCurve(self.thresholds, histogram_confusion(sum_histograms(
                [record[1:3] for record in results if record[0] == part], num_classes,
                len(self.thresholds)))) for part in (True, False))
        whole = SeedCurve(self.thresholds, chosen.confusion + rest.confusion)

        picked = {}  # protocol -> (threshold, confusion matrix)
        if len(self.swept):
            best = self._swept(whole).best
            picked['oracle'] = best, whole.at(best)
            if len(self.swept) > 1 and best == self.swept[-1]:
                print_log(
                    f'SeedMetric: the best threshold is the last of the sweep ({best:g}), so a '
                    'higher one may be better; raise the stop of thresholds=(start, stop, step)',
                    'current', level=30)
            if self.held_out and chosen.confusion.any() and rest.confusion.any():
                best = self._swept(chosen).best
                picked['held_out'] = best, rest.at(best)
            elif self.held_out:
                print_log(
                    f'SeedMetric: {len(results)} images are too few for a held-out part; '
                    'mIoU@held_out is not reported', 'current', level=30)
        if self.fixed is not None:
            picked['fixed'] = self.fixed, whole.at(self.fixed)
        if all(record[3] is not None for record in results):
            picked['own'] = None, _dense([record[3] for record in results], num_classes)

        metrics = {}
        for protocol, (threshold, confusion) in picked.items():
            if threshold is not None:
                metrics[f'threshold@{protocol}'] = round(float(threshold), 6)
            for key, value in mean_scores(confusion).items():
                metrics[f'{key}@{protocol}'] = value
        self._report(whole, picked, metrics)
        return metrics

    def _swept(self, curve: SeedCurve) -> SeedCurve:
        return SeedCurve(self.swept, curve.confusion[np.isin(self.thresholds, self.swept)])

    def _report(self, whole: SeedCurve, picked: dict, metrics: dict[str, float]) -> None:
        """Log the scores per class, and write all of them if a file is named."""
        names = (self.dataset_meta or {}).get('classes') or range(1, self._num_classes() + 1)
        classes = ['background', *map(str, names)]
        protocol = 'own' if 'own' in picked else next(iter(picked))
        threshold, confusion = picked[protocol]
        table = PrettyTable()
        table.add_column(protocol + (f' (t = {threshold:g})' if threshold is not None else ''),
                         classes)
        for key, values in scores_from_confusion(confusion)._asdict().items():
            table.add_column(key, np.round(100 * values, 2).tolist())
        print_log(f'seed scores per class\n{table}', 'current')
        if self.out_file:
            per_class = {
                name: {key: dict(zip(classes, (100 * values).tolist()))
                       for key, values in scores_from_confusion(confusion)._asdict().items()}
                for name, (_, confusion) in picked.items()}
            record = dict(
                metrics=metrics, per_class=per_class,
                curve=dict(thresholds=self.thresholds.astype(float).round(6), **whole.means))
            write_record(self.out_file, record)


def _sparse(confusion: np.ndarray) -> tuple[Tensor, Tensor]:
    """Places and counts of the non-zero cells."""
    flat = torch.from_numpy(confusion).flatten()
    cells = torch.nonzero(flat).flatten()
    return cells.int(), flat[cells].int()


def _dense(confusions: Sequence[tuple], num_classes: int) -> np.ndarray:
    """The sum of confusion matrices ``(C + 1, C + 1)`` from :func:`_sparse`."""
    total = np.zeros((num_classes + 1)**2, np.int64)
    for cells, counts in confusions:
        total[cells.numpy()] += counts.numpy()
    return total.reshape(num_classes + 1, -1)
