from .checkpoint_hook import WSSSCheckpointHook, use_safe_checkpoints
from .co_training import CoTrainingHook
from .ema_teacher import EMATeacherHook
from .pseudo_label_hook import PseudoLabelHook

__all__ = [
    'CoTrainingHook', 'EMATeacherHook', 'PseudoLabelHook', 'WSSSCheckpointHook',
    'use_safe_checkpoints'
]
