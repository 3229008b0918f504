"""Further metrics of the pseudo masks, by config."""

from numbers import Real
from pathlib import Path
from typing import Any

from mmengine.dist import is_main_process

from mmwsss.registry import METRICS, STAGES
from mmwsss.structures.artifacts import read_mask

from ..context import Context
from ..stage import Column, Stage


@STAGES.register_module()
class MetricsStage(Stage):
    """``pipeline.metrics=[dict(type='MyMetric')]``: each metric sees, of every image of a split
    with ground truth, a sample with ``name``, ``pred_mask`` (whole, ``keep`` aside) and
    ``gt_sem_seg`` (uint8 ``(H, W)``, 0, ``1..C``, 255), and its values become columns of the
    table."""

    inputs = ('mask', )
    blocks = ('metrics', )

    def applies(self, context: Context) -> bool:
        return bool(context.options.get('metrics'))

    def settings(self, context: Context) -> dict:
        return dict(metrics=context.options['metrics'])

    def check(self, context: Context) -> None:
        for cfg in context.options['metrics']:
            METRICS.build(cfg)

    def run(self, context: Context, folder: Path) -> dict:
        if not is_main_process():
            return {}
        return {split.name: self._score(context, split) for split in context.scored}

    def _score(self, context: Context, split: Any) -> dict[str, float]:
        values = {}
        for cfg in context.options['metrics']:
            metric = METRICS.build(cfg)
            metric.dataset_meta = split.dataset.metainfo
            for name in split.names:
                metric.process(None, [dict(
                    name=name, pred_mask=read_mask(self.before[0].scored_folder / f'{name}.png'),
                    gt_sem_seg=split.ground_truth(name))])
            prefix = f'{metric.prefix}/' if metric.prefix else ''
            found = metric.compute_metrics(metric.results)
            if not isinstance(found, dict) or not all(
                    isinstance(value, Real) for value in found.values()):
                raise TypeError(f'{type(metric).__name__}.compute_metrics must give a dict of '
                                f'numbers; it gave {found!r}')
            values.update({f'{prefix}{key}': value for key, value in found.items()})
        return values

    def figures(self, context: Context) -> dict[str, dict[str, float]]:
        return {split: {f'{self.key}/{key}': value for key, value in values.items()}
                for split, values in self.result.items()}

    @property
    def columns(self) -> tuple[Column, ...]:
        keys = {key: None for values in self.result.values() for key in values}
        return tuple(Column(f'{self.key}/{key}', key, 2) for key in keys)
