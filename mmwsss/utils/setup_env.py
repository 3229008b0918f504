"""Registries and processes, before a Runner is built."""

import atexit
import datetime
import gc
import sys

import torch
from mmengine.config import Config
from mmengine.dist import init_dist, is_distributed
from mmengine.registry import DefaultScope, Registry
from mmengine.utils.dl_utils import set_multi_processing

from mmwsss import registry

_frozen_modules = 0


def init_scope() -> None:
    """Make ``mmwsss`` the default scope: a ``type`` without prefix is looked for here first."""
    current = DefaultScope.get_current_instance()
    if current is None or current.scope_name != 'mmwsss':
        # Instances are kept by name, so this one needs its own.
        DefaultScope.get_instance(f'mmwsss-{datetime.datetime.now()}', scope_name='mmwsss')


def register_all_modules(init_default_scope: bool = True) -> None:
    """Register everything of mmwsss, in its own registries and in those of mmseg.

    Building a component imports what its registry needs; this is for the registries of others
    (``mmseg.apis`` on a config of ours) and for listing what there is.

    Args:
        init_default_scope: Also make ``mmwsss`` the default scope, see :func:`init_scope`.
    """
    for value in vars(registry).values():
        if isinstance(value, Registry) and value.scope == 'mmwsss':
            value.import_from_location()
    if init_default_scope:
        init_scope()


def freeze_imports() -> None:
    """Leave what was imported out of garbage collection; nothing happens without new imports.

    torch, mmseg and mmpretrain bring half a million objects that live to the end. mmengine collects
    whenever a data set is built, and to look at all of them takes .4 s each time.
    """
    global _frozen_modules
    if len(sys.modules) != _frozen_modules:
        _frozen_modules = len(sys.modules)
        gc.freeze()


def choose_device(device: str | torch.device | None = None) -> torch.device:
    """The device by its name; None takes a GPU if there is one.

    Raises:
        ValueError: There is no such device, or PyTorch sees no GPU.
    """
    gpu = torch.cuda.is_available()
    try:
        chosen = torch.device(device or ('cuda' if gpu else 'cpu'))
    except RuntimeError:
        raise ValueError(f'device "{device}" is none of PyTorch\'s; take cpu or cuda') from None
    if chosen.type == 'cuda' and not gpu:
        raise ValueError(f'device "{device}": PyTorch {torch.__version__} sees no GPU; leave it '
                         'out, or take cpu')
    return chosen


def setup_launcher(cfg: Config, launcher: str) -> None:
    """Join the processes of a run, with or without GPUs.

    mmengine's launchers always select a GPU. Without one, the group is made over gloo.

    Args:
        cfg: Config of the run, see :func:`use_launcher`. Its ``env_cfg`` is followed as mmengine's
            Runner does.
        launcher: ``none``, ``pytorch`` (torchrun), ``slurm`` or ``mpi``.

    Raises:
        ValueError: ``slurm`` or ``mpi`` without GPU.
    """
    use_launcher(cfg, launcher)
    if launcher == 'none':
        return
    on_gpu = torch.cuda.is_available()
    if not on_gpu and launcher != 'pytorch':
        raise ValueError(f'--launcher {launcher} needs GPUs; on CPUs start the processes with '
                         'tools/dist_train.sh (torchrun), which uses --launcher pytorch')
    if not is_distributed():
        if on_gpu:
            env_cfg = cfg.get('env_cfg', {})
            set_multi_processing(**env_cfg.get('mp_cfg', {}), distributed=True)
            # Ranks wait for one that looks for a threshold, say, longer than NCCL's ten minutes.
            init_dist(launcher, **{'timeout': 86400, **env_cfg.get('dist_cfg', {})})
        else:
            torch.distributed.init_process_group('gloo', timeout=datetime.timedelta(days=1))
            # gloo's threads that still run when Python is gone abort the process, now and then.
            atexit.register(leave_group)


def leave_group() -> None:
    """Leave the processes of the run, where they were joined."""
    if is_distributed():
        torch.distributed.destroy_process_group()


def use_launcher(cfg: Config, launcher: str) -> None:
    """Tell a config that the processes of its run were joined: ``launcher`` and, on a CPU,
    ``model_wrapper_cfg`` are set."""
    cfg.launcher = launcher
    if launcher != 'none' and not torch.cuda.is_available():
        cfg.model_wrapper_cfg = dict(
            type='MMDistributedDataParallel',
            device_ids=None,
            broadcast_buffers=False,
            find_unused_parameters=cfg.get('find_unused_parameters', False))
