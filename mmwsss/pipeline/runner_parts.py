"""What only mmengine's Runner builds, checked before it does."""

import inspect
from collections.abc import Mapping
from typing import Any

from mmengine.config import Config
from mmengine.registry import FUNCTIONS, LOG_PROCESSORS, Registry
from torch.utils.data import DataLoader

from mmwsss.registry import DATA_SAMPLERS, HOOKS, LOOPS
from mmwsss.utils.errors import constructor_options, did_you_mean, propose

# What mmengine's Runner takes out of a loader's config, beside the arguments of torch's.
LOADER = {*inspect.signature(DataLoader.__init__).parameters, 'num_batch_per_epoch'} - {'self'}
RANDOMNESS = ('seed', 'diff_rank_seed', 'deterministic')


def check_component(registry: Registry, cfg: Any, where: str, known: tuple = ()) -> None:
    """Check type and options of what can only be built with a Runner.

    Args:
        registry: Where its type is looked for.
        cfg: Its config.
        where: Its key, for messages.
        known: Options that the Runner takes out before.

    Raises:
        KeyError: There is no such type.
        TypeError: It has no such option.
    """
    if not isinstance(cfg, dict) or 'type' not in cfg:
        return
    kind = registry.get(cfg['type']) if isinstance(cfg['type'], str) else cfg['type']
    if kind is None:
        raise KeyError(f'{where}: there is no {registry.name} "{cfg["type"]}"'
                       f'{propose([registry], cfg["type"])}')
    if inspect.isclass(kind):
        options = [*known, *constructor_options(kind)]
        _check_keys(f'{where}: {kind.__name__}', {*cfg} - {'type', '_scope_'}, options)


def _check_keys(owner: str, keys: Any, options: Any) -> None:
    unknown = sorted(set(keys) - set(options))
    if unknown:
        near = did_you_mean(unknown[0], sorted(options))
        raise TypeError(f'{owner} has no option {unknown}{near}')


def check_loop(cfg: dict) -> None:
    """Options and lengths of the loop."""
    check_component(LOOPS, cfg, 'train_cfg')
    for key in ('max_epochs', 'max_iters', 'val_interval'):
        if cfg.get(key) is not None:
            _check_count(f'train_cfg.{key}', cfg[key])


def _check_count(key: str, value: Any) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise ValueError(f'{key}={value!r} must be a whole number of at least 1')


def check_loader(cfg: Mapping, key: str) -> None:
    """Options, sampler and collation of a data loader.

    Raises:
        KeyError, TypeError, ValueError: Names the key.
    """
    _check_keys(f'{key}: DataLoader', cfg, LOADER)
    if cfg.get('batch_size') is not None:
        _check_count(f'{key}.batch_size', cfg['batch_size'])
    for part in ('sampler', 'batch_sampler'):
        check_component(DATA_SAMPLERS, cfg.get(part), f'{key}.{part}',
                        ('dataset', 'seed', 'sampler', 'batch_size'))
    check_component(FUNCTIONS, cfg.get('collate_fn'), f'{key}.collate_fn')


def check_runner_parts(cfg: Config) -> None:
    """Default hooks, log processor and randomness.

    Raises:
        KeyError, TypeError: Names the key.
    """
    for name, hook in (cfg.get('default_hooks') or {}).items():
        check_component(HOOKS, hook, f'default_hooks.{name}')
    processor = cfg.get('log_processor') or {}
    check_component(LOG_PROCESSORS, {'type': 'LogProcessor', **processor}, 'log_processor')
    _check_keys('randomness', cfg.get('randomness') or {}, RANDOMNESS)
