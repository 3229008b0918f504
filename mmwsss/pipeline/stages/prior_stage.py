"""Prior masks: the line up to the masks, run for another config."""

from pathlib import Path
from typing import Any

from mmwsss.registry import STAGES

from ..context import set_prior_dir
from ..stage import Chart, Stage

LEAVE = ('prior', 'baseline', 'segment', 'stages', 'metrics', 'report')


@STAGES.register_module()
class PriorStage(Stage):
    """``pipeline.prior='configs/irn/irn_r50_voc.py'``: the masks of that config become the
    ``prior_dir`` of this one's data set. Its stages have folders of their own below ``prior``."""

    blocks = ('prior', )

    def applies(self, context: Any) -> bool:
        return bool(context.options.get('prior'))

    def prepare(self, context: Any) -> None:
        options = {key: value for key, value in context.options.items() if key not in LEAVE}
        self.pipeline = context.side(context.find(context.options['prior']),
                                     context.work_dir / 'prior', options)
        folder = self.pipeline.stages['mask'].folder
        set_prior_dir(context.cfg.train_dataloader, str(folder.resolve()))

    def check(self, context: Any) -> None:
        self.pipeline.check()

    def settings(self, context: Any) -> dict:
        return dict(stages=[stage.fingerprint for stage in self.pipeline.stages.values()])

    # Its stages know by themselves what is done.
    @property
    def is_done(self) -> bool:
        return all(stage.is_done for stage in self.pipeline.stages.values())

    @property
    def result(self) -> dict:
        return self.pipeline.results() if self.is_done else {}

    @property
    def seconds(self) -> float | None:
        seconds = [stage.seconds for stage in self.pipeline.stages.values()]
        return sum(seconds) if None not in seconds else None

    @property
    def memory(self) -> dict[str, float]:
        memories = [stage.memory for stage in self.pipeline.stages.values()]
        return {key: max(memory.get(key, 0) for memory in memories)
                for key in sorted(set().union(*memories))}

    @property
    def machine(self) -> dict[str, str]:
        return next((stage.machine for stage in self.pipeline.stages.values()), {})

    def charts(self, context: Any) -> list[Chart]:
        return [chart._replace(title=f'{self.key}: {chart.title}')
                for stage in self.pipeline.stages.values()
                for chart in stage.charts(self.pipeline.context)]

    def execute(self, verify: bool = False) -> dict:
        return self.run(self.context, self.folder, verify)

    def run(self, context: Any, folder: Path, verify: bool = False) -> dict:
        self.pipeline.run(check=False, verify=verify, locked=True)
        return self.result
