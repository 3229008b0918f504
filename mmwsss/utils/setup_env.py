"""Registries and processes, before a Runner is built."""

import datetime

import torch
from mmengine.config import Config
from mmengine.registry import DefaultScope


def register_all_modules(init_default_scope: bool = True) -> None:
    """Register everything of mmwsss.

    Args:
        init_default_scope: Also make ``mmwsss`` the default scope, so that a ``type`` without
            prefix is looked for here first.
    """
    import mmwsss.datasets  # noqa: F401
    import mmwsss.engine  # noqa: F401
    import mmwsss.evaluation  # noqa: F401
    import mmwsss.models  # noqa: F401
    import mmwsss.visualization  # noqa: F401

    if init_default_scope:
        current = DefaultScope.get_current_instance()
        if current is None or current.scope_name != 'mmwsss':
            # Instances are kept by name, so this one needs its own.
            DefaultScope.get_instance(f'mmwsss-{datetime.datetime.now()}', scope_name='mmwsss')


def setup_launcher(cfg: Config, launcher: str) -> None:
    """Set how the processes of a run find each other, and let them run without GPUs.

    mmengine's launchers always select a GPU. Without one, the group is made here, over gloo, and
    the model is wrapped for the CPU.

    Args:
        cfg: Config of the run; ``launcher`` and, on a CPU, ``model_wrapper_cfg`` are set.
        launcher: ``none``, ``pytorch`` (torchrun), ``slurm`` or ``mpi``.

    Raises:
        ValueError: ``slurm`` or ``mpi`` without GPU.
    """
    cfg.launcher = launcher
    if launcher == 'none' or torch.cuda.is_available():
        return
    if launcher != 'pytorch':
        raise ValueError(f'--launcher {launcher} needs GPUs; on CPUs start the processes with '
                         'tools/dist_train.sh (torchrun), which uses --launcher pytorch')
    if not torch.distributed.is_initialized():
        torch.distributed.init_process_group('gloo')
    cfg.model_wrapper_cfg = dict(
        type='MMDistributedDataParallel',
        device_ids=None,
        broadcast_buffers=False,
        find_unused_parameters=cfg.get('find_unused_parameters', False))
