from .checkpoint import (
    check_pretrained,
    load_checkpoint_safely,
    load_pretrained,
    register_safe_loader,
)
from .errors import friendly_errors
from .io import atomic_write
from .setup_env import init_scope, register_all_modules, setup_launcher

__all__ = [
    'atomic_write', 'check_pretrained', 'friendly_errors', 'init_scope', 'load_checkpoint_safely',
    'load_pretrained', 'register_all_modules', 'register_safe_loader', 'setup_launcher'
]
