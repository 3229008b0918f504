"""Schedules of the learning rate.

Without ``end``, a schedule ends with the training: the runner gives it ``train_cfg.max_epochs`` (or
``max_iters`` if ``by_epoch=False``), so the length of a training stands in one place.
"""

from typing import List

from mmengine import optim
from mmengine.optim import PolyParamScheduler

from mmwsss.registry import PARAM_SCHEDULERS

INF = int(1e9)


class _OfAnyLength:
    """A schedule that would begin after the end of a shortened training (a warmup is longer) rests
    instead of being an error; with ``stretch``, it falls as if the training were so many times as
    long."""

    def __init__(self, *args, begin: int = 0, end: int = INF, stretch: float = 1., **kwargs):
        end = max(begin + round(stretch * (end - begin)), begin + 1)
        super().__init__(*args, begin=begin, end=end, **kwargs)


@PARAM_SCHEDULERS.register_module()
class PolyLR(_OfAnyLength, optim.PolyLR):
    """mmengine's, and it may be stretched or begin after the end of the training."""


@PARAM_SCHEDULERS.register_module()
class CosineAnnealingLR(_OfAnyLength, optim.CosineAnnealingLR):
    """mmengine's, and it may be stretched or begin after the end of the training."""


@PARAM_SCHEDULERS.register_module()
class MaxStepPolyLR(_OfAnyLength, PolyParamScheduler):
    """The field's polynomial decay: ``eta_min + (lr - eta_min) * (1 - step / max_step)^power``.

    ``max_step`` is ``end - begin``. It is a setting, not the length of the training: KTSE and AEFT
    compute it from their first batch size (by default ``end`` is the number of epochs, and
    ``by_epoch=True, convert_to_iter_based=True`` counts the steps of the first batch size) and,
    since the batch grows, stop at .41 of the rate. After ``end`` the rate stays.

    mmengine's ``PolyLR`` reaches ``eta_min`` one step earlier and multiplies the rate of the step
    before, so its roundings add up.

    Args:
        optimizer: Optimizer or wrapper.
        args, kwargs: ``eta_min``, ``power``, ``begin``, ``end``, ``stretch``, ``by_epoch`` as for
            ``PolyLR``.
    """

    def __init__(self, optimizer, *args, power: float = 0.9, **kwargs):
        super().__init__(optimizer, 'lr', *args, power=power, **kwargs)

    def _get_value(self) -> List[float]:
        factor = (1 - self.last_step / (self.end - self.begin))**self.power
        return [self.eta_min + (base - self.eta_min) * factor for base in self.base_values]
