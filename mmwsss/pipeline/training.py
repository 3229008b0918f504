"""A training by mmengine's Runner that goes on where it was cut off."""

import copy
import time
from pathlib import Path
from typing import Optional

from mmengine.config import Config
from mmengine.dist import barrier
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


def train(cfg: Config, folder: Path, seed: int, launch: Optional[dict] = None) -> Runner:
    """Train what a config says in a folder; a checkpoint that is there is resumed.

    Args:
        cfg: Config of any model that mmengine's Runner trains.
        folder: Its work dir.
        seed: Seed of the run.
        launch: Further keys of the config, as ``launcher``.
    """
    register_safe_loader()
    cfg = copy.deepcopy(cfg)
    cfg.merge_from_dict(launch or {})
    cfg.work_dir = str(folder)
    for kind in ('val', 'test'):  # the pipeline scores by itself, so a config may have no loops
        parts = [f'{kind}_{part}' for part in ('dataloader', 'cfg', 'evaluator')]
        if any(cfg.get(part) is None for part in parts):
            cfg.update(dict.fromkeys(parts))
    # Runners of one process are kept by name.
    cfg.experiment_name = f'{folder.parent.name}_{folder.name}_{time.time_ns()}'
    cfg.randomness = dict(cfg.get('randomness') or {}, seed=seed)
    if (folder / 'last_checkpoint').is_file():
        cfg.load_from, cfg.resume = str(last_checkpoint(folder)), True
    runner = Runner.from_cfg(cfg)
    runner.train()
    barrier()  # the last checkpoint is written by one process
    return runner
