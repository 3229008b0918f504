"""When BECO's models begin to label images themselves."""

from mmengine.hooks import Hook

from mmwsss.registry import HOOKS
from mmwsss.utils.model_wrapper import unwrap_model


@HOOKS.register_module()
class CoTrainingHook(Hook):
    """Set ``model.online`` of :class:`~mmwsss.models.segmentors.BECOSegmentor` after warm-up.

    Args:
        warm_up: Epochs (or iterations) without the models' own labels; 1 in BECO, 2 in KTSE.
        by_epoch: False counts iterations, for a training by ``max_iters``.

    Raises:
        ValueError: The model does not train so.
    """

    def __init__(self, warm_up: int = 1, by_epoch: bool = True) -> None:
        self.warm_up = warm_up
        self.by_epoch = by_epoch

    def before_train(self, runner) -> None:
        if not hasattr(unwrap_model(runner.model), 'online'):
            raise ValueError('CoTrainingHook is for BECOSegmentor; remove it from custom_hooks')

    def before_train_iter(self, runner, batch_idx: int, data_batch=None) -> None:
        done = runner.epoch if self.by_epoch else runner.iter
        unwrap_model(runner.model).online = done >= self.warm_up
