from .checkpoint import (
    check_pretrained,
    load_checkpoint_safely,
    load_pretrained,
    register_safe_loader,
)
from .errors import friendly_errors
from .io import atomic_write
from .setup_env import register_all_modules, setup_launcher
from .supervised import use_ground_truth

__all__ = [
    'atomic_write', 'check_pretrained', 'friendly_errors', 'load_checkpoint_safely',
    'load_pretrained', 'register_all_modules', 'register_safe_loader', 'setup_launcher',
    'use_ground_truth'
]
