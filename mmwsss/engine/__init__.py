from mmwsss.utils.checkpoint import register_safe_loader

from .ema import EMA
from .hooks import (
    CoTrainingHook,
    EMATeacherHook,
    PseudoLabelHook,
    WSSSCheckpointHook,
    use_safe_checkpoints,
)
from .loops import WSSSTrainLoop, seed_step
from .optimizers import (
    Bfloat16OptimWrapper,
    MultiOptimWrapperConstructor,
    WSSSOptimWrapperConstructor,
    field_param_groups,
    use_amp,
)
from .runner import WSSSRunner
from .schedulers import CosineAnnealingLR, MaxStepPolyLR, PolyLR, WarmupCosineLR

register_safe_loader()  # whoever trains with mmwsss, by whatever script

__all__ = [
    'Bfloat16OptimWrapper', 'CoTrainingHook', 'CosineAnnealingLR', 'EMA', 'EMATeacherHook',
    'MaxStepPolyLR', 'MultiOptimWrapperConstructor', 'PolyLR', 'PseudoLabelHook',
    'WSSSCheckpointHook', 'WSSSOptimWrapperConstructor', 'WSSSRunner', 'WSSSTrainLoop',
    'WarmupCosineLR', 'field_param_groups', 'seed_step', 'use_amp', 'use_safe_checkpoints'
]
