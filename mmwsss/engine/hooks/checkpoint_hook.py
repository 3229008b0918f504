"""Checkpoints that are whole or absent, and that the safe loader reads."""

import os
import re
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmengine.dist import is_main_process, master_only
from mmengine.fileio import LocalBackend, register_backend
from mmengine.hooks import Hook
from mmengine.logging import HistoryBuffer

from mmwsss.registry import HOOKS
from mmwsss.utils.io import atomic_write, remove, sweep_temporaries
from mmwsss.utils.model_wrapper import unwrap_model

from ..ranks import mean_gradients, share_statistics
from .finite import check_losses, check_weights

_HISTORY = 'log_history'


class AtomicBackend(LocalBackend):
    """Local files that take their name when they are complete."""

    def put(self, obj: bytes, filepath: str | Path) -> None:
        with atomic_write(filepath, 'wb') as file:
            file.write(obj)


register_backend('mmwsss_atomic', AtomicBackend, force=True)
_ATOMIC = dict(backend='mmwsss_atomic')


def to_plain(value: Any, where: str = 'checkpoint') -> Any:
    """The same with tensors, numbers, strings and containers only, so that
    ``torch.load(weights_only=True)`` reads it back.

    Raises:
        TypeError: Something else is in it.
    """
    if value is None or isinstance(value, (bool, str, bytes, torch.Tensor)):
        return value
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, (int, float, complex)):
        kind = next(kind for kind in (int, float, complex) if isinstance(value, kind))
        return kind(value)
    if isinstance(value, np.ndarray):
        return torch.from_numpy(value.copy())
    if isinstance(value, HistoryBuffer):
        history, counts = value.data
        return {_HISTORY: torch.tensor(history, dtype=torch.float64),
                'count_history': torch.tensor(counts, dtype=torch.float64),
                'max_length': value.max_length}
    if isinstance(value, Mapping):
        kind = OrderedDict if isinstance(value, OrderedDict) else dict
        plain = kind((to_plain(k, where), to_plain(v, f'{where}.{k}')) for k, v in value.items())
        if hasattr(value, '_metadata'):  # of a state dict: versions of the modules
            plain._metadata = value._metadata
        return plain
    if isinstance(value, (list, tuple)):
        items = [to_plain(item, f'{where}[{i}]') for i, item in enumerate(value)]
        return tuple(items) if isinstance(value, tuple) else items
    if isinstance(value, (set, frozenset)):
        return set(value)
    if isinstance(value, Path):
        return str(value)
    raise TypeError(f'{where} is a {type(value).__name__}, which cannot be loaded safely; keep '
                    'tensors, numbers, strings and containers of them')


def _history(value: Any) -> Any:
    if isinstance(value, dict) and _HISTORY in value:
        return HistoryBuffer(value[_HISTORY].tolist(), value['count_history'].tolist(),
                             value['max_length'])
    return value


def use_safe_checkpoints(cfg: dict) -> None:
    """Give a config :class:`WSSSCheckpointHook` where it names no hook for checkpoints.

    Raises:
        ValueError: It names mmengine's.
    """
    hooks = cfg.setdefault('default_hooks', {})
    if hooks.setdefault('checkpoint', dict(type='WSSSCheckpointHook'))['type'] == 'CheckpointHook':
        raise ValueError(
            "default_hooks.checkpoint: mmengine's CheckpointHook saves Python objects, which the "
            "safe loader refuses, so the run could not be resumed; use type='WSSSCheckpointHook'")


@HOOKS.register_module()
class WSSSCheckpointHook(Hook):
    """Save checkpoints, and delete old ones only when the new one is whole.

    In order: the file under a temporary name, its rename, ``last_checkpoint`` likewise, then the
    old files. So a run that is killed at any time can be resumed. Files hold nothing that needs
    an unrestricted unpickler. Gradients that are gathered over several steps and not used yet are
    saved as well. What a killed run left behind (a temporary file, an old checkpoint) is removed
    when it is resumed. Training ends with an error at the first step whose loss is NaN or infinite,
    and weights that are so are never saved.

    Args:
        interval: Epochs or iterations between checkpoints; -1 for none.
        by_epoch: Unit of ``interval``.
        max_keep_ckpts: How many to keep; -1 for all.
        save_last: Also save at the end.
        save_best: Name of a validation metric; the best checkpoint is kept as
            ``best_<metric>_<n>.pth``.
        rule: ``greater`` or ``less``: which value of it is better.
        save_begin: First epoch or iteration to save.
        save_optimizer: Also save what is needed to resume.
        out_dir: Folder; None is the work dir.
    """

    priority = 'VERY_LOW'

    def __init__(self,
                 interval: int = 1,
                 by_epoch: bool = True,
                 max_keep_ckpts: int = -1,
                 save_last: bool = True,
                 save_best: str | None = None,
                 rule: str = 'greater',
                 save_begin: int = 0,
                 save_optimizer: bool = True,
                 out_dir: str | None = None):
        if rule not in ('greater', 'less'):
            raise ValueError(f"checkpoint.rule={rule!r} must be 'greater' or 'less'")
        if interval == 0 or max_keep_ckpts == 0:
            raise ValueError('checkpoint.interval and max_keep_ckpts must be -1 or at least 1')
        self.interval = interval
        self.by_epoch = by_epoch
        self.max_keep_ckpts = max_keep_ckpts
        self.save_last = save_last
        self.save_best = save_best
        self.rule = rule
        self.save_begin = save_begin
        self.save_optimizer = save_optimizer
        self.out_dir = out_dir
        self.name = 'epoch_{}.pth' if by_epoch else 'iter_{}.pth'
        self._gradients: dict | None = None  # of the checkpoint that is resumed
        self._waiting: dict = {}  # of the one that is written

    # -- when --------------------------------------------------------------------------------------
    def before_train(self, runner) -> None:
        self.out_dir = self.out_dir or runner.work_dir
        if is_main_process():
            sweep_temporaries(self.out_dir, '*.pth')
            sweep_temporaries(runner.work_dir, 'last_checkpoint')
        _remove(self.out_dir, runner.message_hub.get_info('old_ckpts', []))
        if self._gradients and runner.iter:  # resumed
            for name, parameter in unwrap_model(runner.model).named_parameters():
                if name in self._gradients:
                    parameter.grad = self._gradients[name].to(parameter)
        self._gradients = None

    def after_train_iter(self, runner, batch_idx: int, data_batch=None, outputs=None) -> None:
        check_losses(runner, outputs or {})
        if not self.by_epoch and (
                self.every_n_train_iters(runner, self.interval, self.save_begin)
                or self.save_last and self.is_last_train_iter(runner)):
            self._save(runner, runner.epoch, runner.iter + 1)

    def after_train_epoch(self, runner) -> None:
        if self.by_epoch and (
                self.every_n_epochs(runner, self.interval, self.save_begin)
                or self.save_last and self.is_last_train_epoch(runner)):
            self._save(runner, runner.epoch + 1, runner.iter)

    def after_val_epoch(self, runner, metrics: dict | None = None) -> None:
        if not self.save_best:
            return
        if self.save_best not in (metrics or {}):
            raise ValueError(f'checkpoint.save_best="{self.save_best}" is none of the '
                             f'validation metrics {sorted(metrics or {})}')
        score = float(metrics[self.save_best])
        best = runner.message_hub.get_info('best_score')
        if best is not None and not (score > best if self.rule == 'greater' else score < best):
            return
        check_weights(runner, runner.iter)
        old = runner.message_hub.get_info('best_ckpt')
        name = f'best_{self.save_best}_'.replace('/', '_') + self.name.format(
            runner.epoch if self.by_epoch else runner.iter)
        runner.message_hub.update_info('best_score', score)
        runner.message_hub.update_info('best_ckpt', str(Path(self.out_dir) / name))
        self._write(runner, name, runner.epoch, runner.iter, resumable=False)
        if old and Path(old).name != name:
            _remove(self.out_dir, [Path(old).name])
        if runner.message_hub.get_info('last_ckpt'):  # let a resumed run know the best one, too
            self._save(runner, runner.epoch, runner.iter)

    # -- how ---------------------------------------------------------------------------------------
    def _save(self, runner, epoch: int, iteration: int) -> None:
        check_weights(runner, iteration)
        name = self.name.format(epoch if self.by_epoch else iteration)
        path = str(Path(self.out_dir) / name)
        hub = runner.message_hub
        names = [Path(kept).name for kept in hub.get_info('kept_ckpts', [])]
        names = [kept for kept in names if kept != name] + [name]
        old, kept = [], names
        if self.max_keep_ckpts > 0:
            old, kept = names[:-self.max_keep_ckpts], names[-self.max_keep_ckpts:]
        hub.update_info('kept_ckpts', kept)
        hub.update_info('old_ckpts', old)  # a run killed before it removes them does it later
        hub.update_info('last_ckpt', path)
        runner.logger.info(f'Saving checkpoint at {epoch} epochs, {iteration} iterations')
        self._write(runner, name, epoch, iteration)
        if is_main_process():
            with atomic_write(Path(runner.work_dir) / 'last_checkpoint') as file:
                file.write(path)
        _remove(self.out_dir, old)

    def _write(self, runner, name: str, epoch: int, iteration: int, resumable: bool = True) -> None:
        resumable = resumable and self.save_optimizer
        model = unwrap_model(runner.model)
        share_statistics(model)
        self._waiting = mean_gradients(model) if resumable else {}
        runner.save_checkpoint(
            self.out_dir, name, save_optimizer=resumable,
            save_param_scheduler=resumable and runner.param_schedulers is not None,
            meta=dict(epoch=epoch, iter=iteration), by_epoch=self.by_epoch, backend_args=_ATOMIC)
        self._waiting = {}

    # -- what --------------------------------------------------------------------------------------
    def before_save_checkpoint(self, runner, checkpoint: dict) -> None:
        if self._waiting:
            checkpoint['gradients'] = self._waiting
        # Schedulers keep functions among their settings; a resumed one makes them anew.
        schedulers = checkpoint.get('param_schedulers', [])
        for group in (schedulers.values() if isinstance(schedulers, dict) else [schedulers]):
            for state in group:
                for key in [key for key, value in state.items() if callable(value)]:
                    del state[key]
        for key in list(checkpoint):
            checkpoint[key] = to_plain(checkpoint[key], key)

    def after_load_checkpoint(self, runner, checkpoint: dict) -> None:
        if runner.cfg.get('resume') and not {'meta', 'message_hub'} <= set(checkpoint):
            raise ValueError(
                f'the checkpoint "{runner.cfg.get("load_from") or runner.work_dir}" holds weights '
                'only, so a run cannot be resumed from it; start from it with load_from=... and '
                'without --resume')
        self._gradients = checkpoint.get('gradients')
        hub = checkpoint.get('message_hub')
        if hub:
            hub['log_scalars'] = {
                key: _history(value) for key, value in hub['log_scalars'].items()}


@master_only
def _remove(folder: str, names: Sequence[str]) -> None:
    for name in names:
        path = os.path.join(folder, name)
        # The names come out of a checkpoint: nothing but checkpoints is removed by them.
        if re.fullmatch(r'(best_[^/]*)?(epoch|iter)_\d+\.pth', name) and os.path.isfile(path):
            remove(path)
