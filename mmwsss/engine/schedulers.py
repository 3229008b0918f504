"""Schedules of the learning rate."""

from typing import List

from mmengine.optim import PolyParamScheduler

from mmwsss.registry import PARAM_SCHEDULERS


@PARAM_SCHEDULERS.register_module()
class MaxStepPolyLR(PolyParamScheduler):
    """The field's polynomial decay: ``eta_min + (lr - eta_min) * (1 - step / max_step)^power``.

    ``max_step`` is ``end - begin``. It is a setting, not the length of the training: KTSE and AEFT
    compute it from their first batch size (``end=40, by_epoch=True, convert_to_iter_based=True``)
    and, since the batch grows, stop at .41 of the rate. After ``end`` the rate stays.

    mmengine's ``PolyLR`` reaches ``eta_min`` one step earlier and multiplies the rate of the step
    before, so its roundings add up.

    Args:
        optimizer: Optimizer or wrapper.
        args, kwargs: ``eta_min``, ``power``, ``begin``, ``end``, ``by_epoch`` as for ``PolyLR``.
    """

    def __init__(self, optimizer, *args, power: float = 0.9, **kwargs):
        super().__init__(optimizer, 'lr', *args, power=power, **kwargs)

    def _get_value(self) -> List[float]:
        factor = (1 - self.last_step / (self.end - self.begin))**self.power
        return [self.eta_min + (base - self.eta_min) * factor for base in self.base_values]
