"""A metric of one's own: how well object and background are told apart, whatever the class."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from mmengine.evaluator import BaseMetric

from mmwsss.registry import METRICS


@METRICS.register_module()
class ObjectIoU(BaseMetric):
    """IoU of all foreground together, in percent; pixels that either mask ignores (255) do not
    count.

    Each sample holds ``pred_mask`` and ``gt_sem_seg``, uint8 ``(H, W)``.
    """

    default_prefix = 'object'

    def process(self, data_batch: Any, data_samples: Sequence[dict]) -> None:
        for sample in data_samples:
            pred, gt = np.asarray(sample['pred_mask']), np.asarray(sample['gt_sem_seg'])
            valid = (pred != 255) & (gt != 255)
            pred, gt = (pred > 0) & valid, (gt > 0) & valid
            self.results.append((int((pred & gt).sum()), int((pred | gt).sum())))

    def compute_metrics(self, results: list[tuple[int, int]]) -> dict[str, float]:
        both, either = np.sum(results, axis=0)
        return dict(IoU=100 * float(both) / max(float(either), 1.))
