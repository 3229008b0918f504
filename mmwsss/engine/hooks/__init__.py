from .checkpoint import WSSSCheckpointHook
from .ema_teacher import EMATeacherHook
from .pseudo_label_hook import PseudoLabelHook

__all__ = ['EMATeacherHook', 'PseudoLabelHook', 'WSSSCheckpointHook']
