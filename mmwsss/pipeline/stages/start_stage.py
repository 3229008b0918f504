"""Where the classifier starts from: the trained classifier of another config."""

from pathlib import Path
from typing import Any

from mmwsss.registry import STAGES

from ..training import last_checkpoint
from .side_stage import SideStage


@STAGES.register_module()
class StartStage(SideStage):
    """``pipeline.start='configs/irn/irn_r50_voc.py'``: that config is trained first, on image
    labels, and its last checkpoint is where this one's training starts (its ``load_from``). The
    papers' "trained on for further epochs", with one first phase for all methods of a comparison.

    ``start=dict(config=..., seed=0)`` gives the first phase a seed of its own, so that runs of
    several seeds share it.
    """

    blocks = ('start', )
    last = 'classify'

    def prepare(self, context: Any) -> None:
        file, more = context.side_config('start')
        if set(more) - {'seed'}:
            raise ValueError(f'{context.file}: pipeline.start is a config file, or a dict with '
                             f'config= and seed=; it has no option {sorted(set(more) - {"seed"})}')
        file = context.find(file)
        self.pipeline = context.side(file, context.work_dir / 'start', {}, seed=more.get('seed'))

    @property
    def checkpoint(self) -> Path:
        """The last checkpoint of the first phase."""
        return last_checkpoint(self.pipeline.stages['classify'].folder)
