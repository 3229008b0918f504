"""What a stage's result depends on, as a checksum that a moved folder does not change."""

import inspect
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mmengine.config import Config, ConfigDict

from mmwsss.utils.io import digest, file_digest
from mmwsss.utils.option_types import registries
from mmwsss.utils.traces import is_plugin

# They change nothing but the speed.
SPEED = {'num_workers', 'persistent_workers', 'pin_memory', 'prefetch_factor', 'device', 'launcher'}


def plain(cfg: Any) -> Any:
    """A config as plain dicts and lists."""
    if isinstance(cfg, (Config, ConfigDict)):
        return cfg.to_dict()
    if isinstance(cfg, dict):
        return {key: plain(value) for key, value in cfg.items()}
    if isinstance(cfg, (list, tuple)):
        return [plain(value) for value in cfg]
    return cfg


def portable(value: Any, work_dir: str | Path) -> Any:
    """Settings without what a moved work dir, moved data or other numbers of workers change.

    An absolute path within ``work_dir`` or the working folder becomes relative to it, any other one
    keeps its last name only; what it holds is to be counted by :func:`list_digest` or
    :func:`file_digests`.
    """
    if isinstance(value, dict):
        return {str(key): portable(item, work_dir) for key, item in value.items()
                if key not in SPEED}
    if isinstance(value, (list, tuple)):
        return [portable(item, work_dir) for item in value]
    if isinstance(value, str) and os.path.isabs(value):
        for base in (work_dir, '.'):
            relative = os.path.relpath(value, Path(base).resolve())
            if not relative.startswith('..'):
                return relative
        return os.path.basename(os.path.normpath(value))
    return value


def list_digest(dataset: Any, maps: Sequence[str] = ()) -> str:
    """Checksum of the names and labels of a data set and of the sizes of its image files, and of
    those of further fields (``saliency_path``, ``prior_path``), where its records have them."""
    infos = (dataset.get_data_info(i) for i in range(len(dataset)))
    return digest([(info['name'], [int(c) for c in info.get('labels', ())],
                    *(_size(info[key]) for key in ('img_path', *maps) if key in info))
                   for info in infos])


def _size(path: str) -> int | None:
    """Bytes of a file; None if it is not there, which the training says."""
    return os.path.getsize(path) if os.path.isfile(path) else None


def file_digests(cfg: Any) -> list[str]:
    """Checksums of the weights that a config starts from."""
    if isinstance(cfg, (list, tuple)):
        return [x for item in cfg for x in file_digests(item)]
    if not isinstance(cfg, dict):
        return []
    found = []
    for key, value in cfg.items():
        if key in ('checkpoint', 'load_from') and isinstance(value, str):
            path = Path(value).expanduser()
            if path.is_file():
                found.append(file_digest(path))
        else:
            found += file_digests(value)
    return found


def code_digests(cfg: Any) -> list[str]:
    """Checksums of the files of the user's own classes that a config names by ``type``, and of
    those that they inherit from."""
    names = {name.rpartition('.')[2] for name in _types(cfg)}
    kinds = [one.module_dict[name] for one in registries() for name in names & set(one.module_dict)]
    files = {file for kind in kinds if inspect.isclass(kind)
             for parent in inspect.getmro(kind) if (file := _own_file(parent))}
    return sorted(file_digest(file) for file in files)


def _types(cfg: Any) -> set[str]:
    if isinstance(cfg, dict):
        own = {cfg['type']} if isinstance(cfg.get('type'), str) else set()
        return own.union(*map(_types, cfg.values()))
    return set().union(*map(_types, cfg)) if isinstance(cfg, (list, tuple)) else set()


def _own_file(kind: type) -> str | None:
    """File of a class, unless it is of mmwsss or installed."""
    file = getattr(sys.modules.get(kind.__module__), '__file__', None)
    return file if file is not None and os.path.isfile(file) and is_plugin(file) else None
