"""mmengine's Runner with a terminal that one can read; the log file has everything."""

from typing import Any

from mmengine.logging import MMLogger
from mmengine.runner import Runner

from mmwsss.utils.console import compact


class WSSSRunner(Runner):
    """mmengine's Runner; config, hooks and parameters are written to the log file only."""

    def build_logger(self, *args: Any, **kwargs: Any) -> MMLogger:
        logger = super().build_logger(*args, **kwargs)
        compact(logger, self)
        return logger
