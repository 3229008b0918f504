"""A training by mmengine's Runner that goes on where it was cut off."""

import copy
import time
from pathlib import Path
from typing import Any

from mmengine.config import Config
from mmengine.runner import Runner, find_latest_checkpoint

from mmwsss.utils import register_safe_loader


def last_checkpoint(folder: Path) -> Path:
    """The newest checkpoint of a training.

    Raises:
        FileNotFoundError: There is none.
    """
    path = find_latest_checkpoint(str(folder))
    if path is None:
        raise FileNotFoundError(f'no checkpoint in "{folder}"; is the CheckpointHook in the '
                                'config\'s default_hooks?')
    # The folder may have been moved since.
    return Path(folder) / Path(path).name


def train(cfg: Config, folder: Path, seed: int, return_runner: bool = False) -> Any:
    """Train what a config says in a folder; a checkpoint that is there is resumed.

    Args:
        cfg: Config of any model that mmengine's Runner trains.
        folder: Its work dir.
        seed: Seed of the run.
        return_runner: Also return the runner.

    Returns:
        Path of the last checkpoint.
    """
    register_safe_loader()
    cfg = copy.deepcopy(cfg)
    cfg.work_dir = str(folder)
    cfg.experiment_name = f'{Path(folder).parent.name}_{Path(folder).name}_{time.time_ns()}'
    cfg.setdefault('randomness', {})
    cfg.randomness['seed'] = seed
    if (folder / 'last_checkpoint').is_file():
        cfg.load_from, cfg.resume = str(last_checkpoint(folder)), True
    runner = Runner.from_cfg(cfg)
    runner.train()
    return (last_checkpoint(folder), runner) if return_runner else last_checkpoint(folder)
