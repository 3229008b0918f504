"""What the files of a folder were made with, so that others are not taken for them."""

import json
from collections.abc import Mapping
from pathlib import Path

from mmengine.config import Config
from mmengine.dist import barrier, is_main_process

from mmwsss.structures.artifacts import read_record, write_record
from mmwsss.utils.io import digest

SETTINGS = 'settings.json'


def model_digest(cfg: Config) -> str:
    """Checksum of a config's ``model``, whose weights alone do not say how it infers."""
    return digest(cfg.model.to_dict())


def check_settings(folder: str | Path, settings: Mapping, what: str,
                   overwrite: bool = False) -> None:
    """Write ``<folder>/settings.json``, or compare with the one that is there. All ranks must call
    it.

    Args:
        folder: Of the files.
        settings: What they depend on, as JSON.
        what: Name of the files.
        overwrite: All files are made again, so those that are there do not matter.

    Raises:
        ValueError: They were made with others, or it is not known with which; names the keys.
    """
    path, settings = Path(folder) / SETTINGS, json.loads(json.dumps(settings))
    before = None if overwrite else read_record(path, None)
    if before is not None and before != settings:
        unknown = [key for key in settings if key not in before]
        if unknown:
            raise ValueError(f'"{path}", of an older mmwsss, does not say with which '
                             f'{" and ".join(unknown)} the {what} were made. If it is the present '
                             'one, delete this file, and they are kept; else choose another folder')
        changed = [key for key in before if before[key] != settings.get(key)]
        raise ValueError(f'"{folder}" holds {what} that were made with another '
                         f'{" and ".join(changed)}; choose another folder, or delete it')
    barrier()
    if is_main_process() and before is None:
        write_record(path, settings)
