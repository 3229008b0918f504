"""Options of a wrong type are found in the config, before they break something far away."""

import inspect
import types
import typing
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from typing import Any

import numpy as np
from mmengine.config import Config
from mmengine.registry import Registry

# Parts of a config that are dicts.
PARTS = ('model', 'train_dataloader', 'val_dataloader', 'test_dataloader', 'optim_wrapper',
         'train_cfg', 'val_cfg', 'test_cfg', 'pipeline')
# Types of the blocks of ``pipeline``, and of what is in some of them.
BLOCKS = dict(prior=(str | dict), start=(str | dict), baseline=(str | dict), cam=dict,
              affinity=dict, mask=dict, segment=dict, metrics=list[dict], stages=dict, report=dict)
INNER = dict(config=str, cfg_options=dict, labels=dict)


def check_option_types(cfg: Any, where: str = '') -> None:
    """Walk a config and refuse options of components that are of a wrong type.

    Compared are annotated options whose annotation is made of numbers, strings, sequences and
    dicts; others pass. Of ``pipeline`` the types of its blocks are checked; its stages check what
    is in them, since values may be rules.

    Args:
        cfg: Config, or any part of it.
        where: Name of that part, for the message.

    Raises:
        TypeError: Names key, value and the type that is needed.
    """
    if isinstance(cfg, Config):
        cfg = cfg.to_dict()
        for key in PARTS:
            _check(cfg.get(key), dict | None, key, 'the config')
    if isinstance(cfg, Mapping):
        kind = component(cfg.get('type'))
        if kind is not None:
            for key, (hint, default) in option_types(kind).items():
                if key in cfg and cfg[key] is not default:
                    _check(cfg[key], hint, f'{where}.{key}' if where else key, kind.__name__)
    if isinstance(cfg, (Mapping, list, tuple)):
        children = cfg.items() if isinstance(cfg, Mapping) else enumerate(cfg)
        for key, value in children:
            if where or key != 'pipeline':
                check_option_types(value, f'{where}.{key}' if where else str(key))
            elif value is not None:
                _check_pipeline(value)


def _check_pipeline(blocks: Mapping) -> None:
    for name, block in blocks.items():
        _check(block, BLOCKS.get(name, object) | None, f'pipeline.{name}', 'the pipeline')
        if name in ('affinity', 'segment', 'baseline') and isinstance(block, Mapping):
            for part in INNER.keys() & block:
                _check(block[part], INNER[part] | None, f'pipeline.{name}.{part}', f'its {name}')


def _check(value: Any, hint: Any, path: str, owner: str) -> None:
    if fits(value, hint):
        return
    kind, inner = typing.get_origin(hint), typing.get_args(hint)
    if kind in (list, Sequence) and inner and isinstance(value, (list, tuple)):
        for number, item in enumerate(value):  # the one that is wrong
            _check(item, inner[0], f'{path}[{number}]', owner)
    else:
        text = hint.__name__ if inspect.isclass(hint) else str(hint)
        text = text.replace('collections.abc.', '').replace('typing.', '')
        raise TypeError(f'{path}={value!r}: {owner} needs {text}, not {type(value).__name__}')


def registries() -> list[Registry]:
    """The registries of mmwsss."""
    from mmwsss import registry
    return [value for value in vars(registry).values() if isinstance(value, Registry)]


def component(name: Any) -> type | None:
    """The class in the registries of mmwsss that a config names, one's own included, once all are
    registered; None for others."""
    if isinstance(name, str) and '.' not in name:
        for one in registries():
            kind = one.module_dict.get(name)
            if inspect.isclass(kind):
                return kind
    return None


@cache
def option_types(kind: type) -> dict[str, tuple[Any, Any]]:
    """Annotation and default of the options of a class, and of its parents where it hands options
    on: those of its own package and of mmwsss, since what others annotate need not be so."""
    options: dict[str, tuple[Any, Any]] = {}
    packages = {'mmwsss', _package(kind)}
    for parent in kind.__mro__:
        if '__init__' not in vars(parent) or parent is object:
            continue
        parameters = list(inspect.signature(parent.__init__).parameters.values())[1:]
        if _package(parent) in packages:
            try:
                hints = typing.get_type_hints(parent.__init__)
            except Exception:  # of a type that is imported for checkers only, or no type at all
                hints = {}
            for p in parameters:
                if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY):
                    options.setdefault(p.name, (hints.get(p.name, Any), p.default))
        if not any(p.kind == p.VAR_KEYWORD for p in parameters):
            break
    return options


def _package(kind: type) -> str:
    return kind.__module__.split('.')[0]


def fits(value: Any, hint: Any) -> bool:
    """Whether a value of a config can be of an annotated type; unknown types take everything."""
    origin, inner = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        return any(fits(value, one) for one in inner)
    if hint is type(None):
        return value is None
    if origin is typing.Literal:
        return value in inner
    if hint in (bool, int, float, str):
        return _is(value, hint)
    kind = origin or hint
    if kind in (list, tuple, Sequence):
        return isinstance(value, (list, tuple, np.ndarray)) and all(
            fits(*pair) for pair in _items(value, kind, inner))
    if kind in (dict, Mapping):
        return isinstance(value, Mapping)
    return True


def _is(value: Any, kind: type) -> bool:
    if kind is str or kind is bool:
        return isinstance(value, (kind, np.bool_) if kind is bool else kind)
    numbers = (int, np.integer) if kind is int else (int, float, np.number)
    return isinstance(value, numbers) and not isinstance(value, bool)


def _items(value: Any, kind: Any, inner: tuple) -> Iterator[tuple[Any, Any]]:
    if kind is tuple and inner and inner[-1] is not Ellipsis:
        return zip(value, inner)
    return ((item, inner[0]) for item in value) if inner else iter(())
