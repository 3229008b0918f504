"""Helpers; each is imported with its first use, so that a command line is parsed without torch."""

import importlib

_MODULES = dict(
    atomic_write='io', check_pretrained='checkpoint', friendly_errors='ending',
    init_scope='setup_env', load_checkpoint_safely='checkpoint', load_pretrained='checkpoint',
    register_all_modules='setup_env', register_safe_loader='checkpoint',
    setup_launcher='setup_env', use_launcher='setup_env')

__all__ = sorted(_MODULES)


def __getattr__(name: str) -> object:
    if name not in _MODULES:
        raise AttributeError(f'module {__name__} has no attribute "{name}"')
    return getattr(importlib.import_module(f'.{_MODULES[name]}', __name__), name)
