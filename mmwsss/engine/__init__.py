from .hooks import (
    CoTrainingHook,
    EMATeacherHook,
    PseudoLabelHook,
    WSSSCheckpointHook,
    use_safe_checkpoints,
)
from .loops import EMA, WSSSTrainLoop, seed_step
from .optimizers import (
    Bfloat16OptimWrapper,
    MultiOptimWrapperConstructor,
    WSSSOptimWrapperConstructor,
    field_param_groups,
    use_amp,
)
from .schedulers import MaxStepPolyLR

__all__ = [
    'EMA', 'Bfloat16OptimWrapper', 'CoTrainingHook', 'EMATeacherHook', 'MaxStepPolyLR',
    'MultiOptimWrapperConstructor', 'PseudoLabelHook', 'WSSSCheckpointHook',
    'WSSSOptimWrapperConstructor', 'WSSSTrainLoop', 'field_param_groups', 'seed_step', 'use_amp',
    'use_safe_checkpoints'
]
