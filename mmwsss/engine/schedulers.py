"""Schedules of the learning rate.

Without ``end``, a schedule ends with the training: the runner gives it ``train_cfg.max_epochs`` (or
``max_iters`` if ``by_epoch=False``), so the length of a training stands in one place.
"""

import math

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

    def _get_value(self) -> list[float]:
        factor = (1 - self.last_step / (self.end - self.begin))**self.power
        return [self.eta_min + (base - self.eta_min) * factor for base in self.base_values]


@PARAM_SCHEDULERS.register_module()
class WarmupCosineLR(PolyParamScheduler):
    """timm's cosine with a linear warm-up, as DeiT and MCTformer run it, at step ``t``:
    ``warmup_lr + (lr - warmup_lr) t / warmup`` before ``warmup``, from then on
    ``eta_min + (lr - eta_min) (1 + cos(pi t / end)) / 2``.

    The cosine counts from 0 and not from the end of the warm-up, so the rate continues where it
    would be without one. Those projects set the rate after each epoch by the number of that epoch:
    with ``delay=1`` epochs 0 and 1 both have the rate of ``t = 0``, epoch 2 that of ``t = 1``.

    Args:
        optimizer: Optimizer or wrapper.
        args, kwargs: ``eta_min``, ``end`` (length of the cosine), ``by_epoch`` as for ``PolyLR``.
        warmup: Length of the warm-up, in the unit of ``end``.
        warmup_lr: Rate at ``t = 0``.
        delay: Steps by which ``t`` lags behind.

    Raises:
        ValueError: ``warmup`` is negative. (Longer than the training, it is cut off by its end.)
    """

    def __init__(self, optimizer, *args, warmup: int = 5, warmup_lr: float = 1e-6, delay: int = 1,
                 **kwargs):
        self.warmup = warmup
        self.warmup_lr = warmup_lr
        self.delay = delay
        super().__init__(optimizer, 'lr', *args, **kwargs)
        if warmup < 0:
            raise ValueError(f'WarmupCosineLR: warmup={warmup} must not be negative')

    def _get_value(self) -> list[float]:
        t = max(self.last_step - self.delay, 0)
        if t < self.warmup:
            return [self.warmup_lr + (base - self.warmup_lr) * t / self.warmup
                    for base in self.base_values]
        factor = (1 + math.cos(math.pi * t / self.end)) / 2
        return [self.eta_min + (base - self.eta_min) * factor for base in self.base_values]
