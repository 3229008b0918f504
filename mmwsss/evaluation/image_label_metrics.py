"""mmpretrain's multi-label metrics on the image logits of a classifier."""

from collections.abc import Sequence
from typing import Any

from mmpretrain.evaluation import AveragePrecision, MultiLabelMetric

from mmwsss.registry import METRICS


class _FromLogits:
    """Hands over ``pred_logits`` ``(C,)`` and the multi-hot ``gt_label`` ``(C,)``."""

    def process(self, data_batch: Any, data_samples: Sequence[dict]) -> None:
        records = []
        for sample in data_samples:
            missing = [key for key in ('pred_logits', 'gt_label') if key not in sample]
            if missing:
                raise ValueError(
                    f'{type(self).__name__}, image {sample.get("name")}: no {missing[0]}; logits '
                    'are predicted with model.test_cfg.logits=True, labels come from the label '
                    'table')
            records.append(
                dict(pred_score=sample['pred_logits'].sigmoid(), gt_score=sample['gt_label']))
        super().process(data_batch, records)


@METRICS.register_module()
class ImageLabelMetric(_FromLogits, MultiLabelMetric):
    """Precision, recall and F1 of the image labels; options of mmpretrain.MultiLabelMetric."""


@METRICS.register_module()
class ImageLabelAP(_FromLogits, AveragePrecision):
    """Mean average precision of the image labels; options of mmpretrain.AveragePrecision."""
