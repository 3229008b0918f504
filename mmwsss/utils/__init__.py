from .checkpoint import (
    check_pretrained,
    load_checkpoint_safely,
    load_pretrained,
    register_safe_loader,
)
from .io import atomic_write

__all__ = [
    'atomic_write', 'check_pretrained', 'load_checkpoint_safely', 'load_pretrained',
    'register_safe_loader'
]
