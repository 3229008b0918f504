"""A training by mmengine's Runner that resumes where it was interrupted."""

import copy
import json
import logging
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from mmengine.config import Config
from mmengine.dist import barrier
from mmengine.optim import OptimWrapper, OptimWrapperDict, build_optim_wrapper
from mmengine.runner import Runner
from mmseg.evaluation import IoUMetric
from torch import nn

from mmwsss.datasets.splits import inner_dataset
from mmwsss.engine import WSSSRunner
from mmwsss.engine.checks import check_frozen, check_paramwise
from mmwsss.registry import DATASETS, HOOKS, METRICS, MODELS, PARAM_SCHEDULERS, TRANSFORMS
from mmwsss.utils import check_pretrained, register_safe_loader, use_launcher
from mmwsss.utils.checkpoint import latest_checkpoint

from .fingerprint import file_digests, plain
from .runner_parts import check_component, check_loader, check_loop, check_runner_parts

KEYS = ('model', 'train_dataloader', 'train_cfg', 'optim_wrapper', 'param_scheduler',
        'custom_hooks', 'load_from', 'model_wrapper_cfg', 'auto_scale_lr', 'sync_bn', 'randomness')


def training_settings(cfg: Config, seed: int, *more: str) -> dict:
    """What a training's result depends on.

    Args:
        cfg: Its config.
        seed: Seed of the run.
        more: Further keys of the config.
    """
    config = plain(cfg)
    config = {key: config[key] for key in (*KEYS, *more) if config.get(key) is not None}
    return dict(config=config, seed=seed, weights=file_digests(config))


def check_training(cfg: Config, name: str, loaded: bool = False, block: str = '') -> nn.Module:
    """Build what a training needs beside its data, which may not be there yet.

    Args:
        cfg: Its config.
        name: Of the config, for messages.
        loaded: Its weights come from a training before it.
        block: Of the pipeline, ``'segment'`` or ``'affinity'``, if it names the config.

    Returns:
        The model.

    Raises:
        FileNotFoundError, ValueError, TypeError, KeyError: Names file or key, and the fix.
    """
    for part in ('model', 'train_dataloader', 'train_cfg', 'optim_wrapper'):
        if cfg.get(part) is None:
            raise ValueError(f'config "{name}" has no {part}; the pipeline trains from it')
    check_pretrained(cfg, option=f'pipeline.{block}.cfg_options.' if block else '')
    model = MODELS.build(cfg.model)
    check_frozen(model, loaded or bool(cfg.get('load_from')))
    check_loop(cfg.train_cfg)
    schedulers = cfg.get('param_scheduler') or []
    if isinstance(schedulers, dict) and 'type' in schedulers:
        schedulers = [schedulers]
    for part in schedulers if isinstance(schedulers, (list, tuple)) else []:
        check_component(PARAM_SCHEDULERS, part, 'param_scheduler',
                       ('convert_to_iter_based', 'optimizer'))
    if 'optimizer' in cfg.optim_wrapper or 'constructor' in cfg.optim_wrapper:
        check_paramwise(model, cfg.optim_wrapper)
        with _quiet():  # the training says it again
            wrapper = build_optim_wrapper(model, copy.deepcopy(cfg.optim_wrapper))
        several = isinstance(wrapper, OptimWrapperDict)
        for part in schedulers if isinstance(schedulers, (list, tuple)) else []:
            for one in wrapper.values() if several else [wrapper]:
                _build_scheduler(part, one)
    for hook in cfg.get('custom_hooks') or []:
        HOOKS.build(hook)
    check_runner_parts(cfg)
    for key in ('train_dataloader', 'val_dataloader', 'test_dataloader'):
        check_loader(cfg.get(key) or {}, key)
        dataset = inner_dataset((cfg.get(key) or {}).get('dataset') or {})
        check_component(DATASETS, dataset, f'{key}.dataset')
        for step in dataset.get('pipeline') or []:
            TRANSFORMS.build(step)
    for key in ('val_evaluator', 'test_evaluator'):
        metrics = cfg.get(key) or []
        for metric in metrics if isinstance(metrics, (list, tuple)) else [metrics]:
            check_component(METRICS, metric, key)
            METRICS.build(metric)
    return model


def check_metrics(dataset: Any, evaluator: Any) -> None:
    """Score the first sample of a test set by mmseg's metrics, its own mask as the prediction.

    Raises:
        ValueError: It has no mask.
        KeyError: A metric does not know an option.
    """
    for cfg in evaluator if isinstance(evaluator, (list, tuple)) else [evaluator or {}]:
        metric = METRICS.build(cfg) if cfg else None
        if not isinstance(metric, IoUMetric) or metric.output_dir or metric.format_only:
            continue
        sample = dataset[0]['data_samples']
        if 'gt_sem_seg' not in sample:
            raise ValueError('the images of test_dataloader have no masks, so test_evaluator '
                             'cannot score them: set mask_dir, or leave test_evaluator out')
        sample.pred_sem_seg = sample.gt_sem_seg
        metric.dataset_meta = dataset.metainfo
        metric.process({}, [sample.to_dict()])
        with _quiet():  # no table
            metric.compute_metrics(metric.results)


@contextmanager
def _quiet() -> Iterator[None]:
    """Nothing is logged."""
    logging.disable(logging.CRITICAL)
    try:
        yield
    finally:
        logging.disable(logging.NOTSET)


def _build_scheduler(cfg: dict, wrapper: OptimWrapper) -> None:
    """Build a schedule as mmengine's Runner does; the lengths do not matter."""
    cfg = dict(plain(cfg), optimizer=wrapper)
    cfg.setdefault('end', 10)
    kind = PARAM_SCHEDULERS.get(cfg['type'])
    if cfg.pop('convert_to_iter_based', False):
        del cfg['type']
        kind.build_iter_from_epoch(**cfg, epoch_length=10)
    else:
        PARAM_SCHEDULERS.build(cfg)


def last_checkpoint(folder: Path) -> Path:
    """The newest checkpoint of a training.

    Raises:
        FileNotFoundError: There is none.
        ValueError: ``last_checkpoint`` is damaged.
    """
    path = latest_checkpoint(folder)
    if path is None:
        raise FileNotFoundError(f'no checkpoint in "{folder}"; is the CheckpointHook in the '
                                'config\'s default_hooks?')
    return Path(path)


def train(cfg: Config, folder: Path, seed: int, launch: dict | None = None) -> Runner:
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
    use_launcher(cfg, cfg.get('launcher', 'none'))
    cfg.work_dir = str(folder)
    for kind in ('val', 'test'):  # the pipeline scores by itself, so a config may have no loops
        parts = [f'{kind}_{part}' for part in ('dataloader', 'cfg', 'evaluator')]
        if any(cfg.get(part) is None for part in parts):
            cfg.update(dict.fromkeys(parts))
    # Runners of one process are kept by name, and so are visualizers, which would write into the
    # folder of the first.
    cfg.experiment_name = f'{folder.parent.name}_{folder.name}_{time.time_ns()}'
    if cfg.get('visualizer'):
        cfg.visualizer.name = cfg.experiment_name
    cfg.randomness = dict(cfg.get('randomness') or {}, seed=seed)
    with suppress(FileNotFoundError, ValueError):  # begins anew
        cfg.load_from, cfg.resume = str(last_checkpoint(folder)), True
    runner = WSSSRunner.from_cfg(cfg)
    runner.train()
    barrier()  # the last checkpoint is written by one process
    return runner


def log_records(run: Path) -> Iterator[dict]:
    """The records of a training's log: a file, or a work dir with mmengine's
    ``*/vis_data/scalars.json`` of all calls, before and after a cut-off."""
    for path in [run] if run.is_file() else sorted(run.glob('*/vis_data/scalars.json')):
        for line in path.read_text().splitlines():
            with suppress(json.JSONDecodeError):  # the last line of a call that was killed
                yield json.loads(line)


def logged_curves(folder: Path) -> dict[str, tuple]:
    """Curves of losses, mAP and mIoU in a training's log.

    Args:
        folder: Its work dir; the logs of all calls become one.

    Returns:
        Name to ``(name of the x axis, (x, y))``; empty without a log.
    """
    curves: dict[str, dict] = {}
    axes: dict[str, str] = {}
    by_epoch, now = False, 0
    for record in log_records(folder):
        # Of a training by epochs, validations are logged by their epoch, losses by iteration; of
        # one by iterations by that, or by 0.
        if any(key.endswith('lr') for key in record):
            axis, by_epoch, now = 'iteration', 'epoch' in record, record['step']
        else:
            axis = 'epoch' if by_epoch else 'iteration'
        for key, value in record.items():
            if re.search('loss|mAP|mIoU', key) and isinstance(value, (int, float)):
                curves.setdefault(key, {})[record['step'] or now] = value
                axes[key] = axis
    return {key: (axes[key], tuple(map(list, zip(*sorted(points.items())))))
            for key, points in curves.items()}
