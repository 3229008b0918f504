"""Prior masks: the line up to the masks, run for another config."""

from typing import Any

from mmwsss.registry import STAGES

from ..context import set_prior_dir
from .side_stage import SideStage

LEAVE = ('prior', 'start', 'baseline', 'segment', 'stages', 'metrics', 'report')


@STAGES.register_module()
class PriorStage(SideStage):
    """``pipeline.prior='configs/irn/irn_r50_voc.py'``: the masks of that config become the
    ``prior_dir`` of this one's data set. Its classifier is trained as that config says; the blocks
    that make CAMs and masks are those of this config, or of ``prior=dict(config=..., mask=...)``.
    """

    blocks = ('prior', )
    last = 'mask'

    def prepare(self, context: Any) -> None:
        file, own = context.side_config('prior')
        options = {key: value for key, value in context.options.items() if key not in LEAVE}
        self.pipeline = context.side(context.find(file), context.work_dir / 'prior',
                                     {**options, **own})
        folder = self.pipeline.stages['mask'].folder
        set_prior_dir(context.cfg.train_dataloader, str(folder.resolve()))
