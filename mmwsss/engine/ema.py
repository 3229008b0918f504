"""The teacher: a moving average of the student."""

import torch
from torch import nn


class EMA:
    """Exponential moving average of the student in the model's teacher (Tarvainen & Valpola).

    ``teacher <- momentum * teacher + (1 - momentum) * student`` after every optimizer step.

    Args:
        momentum: In [0, 1); RCM+MAM .997, FSAE .999.
        warmup: Steps over which the momentum rises as ``min(momentum, (1 + t) / (10 + t))``.
        buffers: ``'copy'`` takes the student's buffers (batch statistics), ``'average'`` averages
            the floating ones as well.
    """

    def __init__(self, momentum: float, warmup: int = 0, buffers: str = 'copy'):
        if not 0 <= momentum < 1:
            raise ValueError(f'train_cfg.ema.momentum={momentum} must be in [0, 1)')
        if buffers not in ('copy', 'average'):
            raise ValueError(f"train_cfg.ema.buffers={buffers!r} must be 'copy' or 'average'")
        self.momentum = momentum
        self.warmup = warmup
        self.buffers = buffers

    @staticmethod
    def _pairs(model: nn.Module, kind: str) -> tuple[list, list]:
        teacher, student = [], []
        for part in ('backbone', 'head'):
            teacher += getattr(getattr(model.teacher, part), kind)()
            student += getattr(getattr(model, part), kind)()
        return teacher, student

    @torch.no_grad()
    def copy(self, model: nn.Module) -> None:
        """Start the teacher at the student."""
        for kind in ('parameters', 'buffers'):
            for teacher, student in zip(*self._pairs(model, kind)):
                teacher.copy_(student)

    @torch.no_grad()
    def update(self, model: nn.Module, step: int) -> None:
        """One update after optimizer step ``step`` (from 0)."""
        momentum = self.momentum
        if step < self.warmup:
            momentum = min(momentum, (1 + step) / (10 + step))
        teacher, student = self._pairs(model, 'parameters')
        averaged, copied = [], []
        for pair in zip(*self._pairs(model, 'buffers')):
            average = self.buffers == 'average' and pair[0].is_floating_point()
            (averaged if average else copied).append(pair)
        teacher += [pair[0] for pair in averaged]
        student += [pair[1] for pair in averaged]
        torch._foreach_lerp_(teacher, student, 1 - momentum)
        for mine, yours in copied:
            mine.copy_(yours)
