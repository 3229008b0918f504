"""A stage that is the line of another config, up to one of its stages."""

from pathlib import Path
from typing import Any

from ..stage import Chart, Stage


class SideStage(Stage):
    """The line up to the stage ``last``, run for another config, with folders of its own below
    this stage's. A child sets :attr:`pipeline` in :meth:`prepare`; its stages know by themselves
    what is done."""

    last = ''
    pipeline: Any = None

    @property
    def used(self) -> list[Stage]:
        """The stages that run, :attr:`last` at the end."""
        return [self.pipeline.stages[name] for name in self.pipeline.needed([self.last])]

    def applies(self, context: Any) -> bool:
        return bool(context.options.get(self.blocks[0]))

    def check(self, context: Any) -> None:
        for stage in self.used:
            stage.check(self.pipeline.context)

    def settings(self, context: Any) -> dict:
        return dict(stages=[stage.fingerprint for stage in self.used])

    @property
    def is_done(self) -> bool:
        return all(stage.is_done for stage in self.used)

    @property
    def result(self) -> dict:
        return {stage.key: stage.result for stage in self.used} if self.is_done else {}

    @property
    def seconds(self) -> float | None:
        seconds = [stage.seconds for stage in self.used]
        return sum(seconds) if None not in seconds else None

    @property
    def memory(self) -> dict[str, float]:
        memories = [stage.memory for stage in self.used]
        return {key: max(memory.get(key, 0) for memory in memories)
                for key in sorted(set().union(*memories))}

    @property
    def machine(self) -> dict[str, str]:
        return self.used[0].machine

    def charts(self, context: Any) -> list[Chart]:
        return [chart._replace(title=f'{self.key}: {chart.title}')
                for stage in self.used for chart in stage.charts(self.pipeline.context)]

    def execute(self, verify: bool = False) -> dict:
        return self.run(self.context, self.folder, verify)

    def run(self, context: Any, folder: Path, verify: bool = False) -> dict:
        self.pipeline.wanted = {stage.key for stage in self.used}
        self.pipeline.run(check=False, verify=verify, locked=True)
        return self.result
