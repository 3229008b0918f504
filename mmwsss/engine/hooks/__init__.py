from .checkpoint import WSSSCheckpointHook, use_safe_checkpoints
from .ema_teacher import EMATeacherHook
from .pseudo_label_hook import PseudoLabelHook

__all__ = ['EMATeacherHook', 'PseudoLabelHook', 'WSSSCheckpointHook', 'use_safe_checkpoints']
