"""The EMA teacher outside WSSSTrainLoop."""

from mmengine.hooks import Hook

from mmwsss.registry import HOOKS
from mmwsss.utils.model_wrapper import unwrap_model

from ..ema import EMA


@HOOKS.register_module()
class EMATeacherHook(Hook):
    """Let ``model.teacher`` follow the student in a loop that does not do it itself.

    :class:`WSSSTrainLoop` does (``train_cfg.ema``); mmengine's loops do not.

    Args:
        options: Arguments of :class:`mmwsss.engine.EMA`: ``momentum``, ``warmup``, ``buffers``.

    Raises:
        ValueError: The model has no teacher, or the loop updates it already.
    """

    priority = 'NORMAL'

    def __init__(self, **options):
        self.ema = EMA(**options)

    def before_train(self, runner) -> None:
        if getattr(runner.train_loop, 'ema', None) is not None:
            raise ValueError('train_cfg.ema updates the teacher already; remove EMATeacherHook')
        model = unwrap_model(runner.model)
        if getattr(model, 'teacher', None) is None:
            raise ValueError('EMATeacherHook updates a teacher; set teacher=True in the model')
        if runner.iter == 0:
            self.ema.copy(model)

    def after_train_iter(self, runner, batch_idx: int, data_batch=None, outputs=None) -> None:
        if runner.optim_wrapper.should_update():
            self.ema.update(unwrap_model(runner.model), runner.iter)
