"""mmengine's Runner with a terminal that one can read; the log file has everything."""

import os
from collections.abc import Mapping
from typing import Any

import torch
from mmengine.config import Config
from mmengine.logging import MMLogger
from mmengine.runner import Runner
from torch import nn
from torch.utils.data import DataLoader

from mmwsss.inference.model import model_config
from mmwsss.registry import OPTIMIZERS
from mmwsss.utils.console import compact
from mmwsss.utils.model_wrapper import unwrap_model

from .checks import check_paramwise


class WSSSRunner(Runner):
    """mmengine's Runner; config, hooks and parameters are written to the log file only."""

    @classmethod
    def from_cfg(cls, cfg: Config) -> 'WSSSRunner':
        """As mmengine's.

        Raises:
            ValueError: The config has no model.
        """
        model_config(cfg)
        return super().from_cfg(cfg)

    def build_optim_wrapper(self, optim_wrapper: Any) -> Any:
        """As mmengine's.

        Raises:
            KeyError: There is no such optimizer.
            TypeError: See :func:`check_paramwise`.
        """
        if isinstance(optim_wrapper, Mapping):
            for part in (optim_wrapper, *optim_wrapper.values()):
                kind = part.get('optimizer') if isinstance(part, Mapping) else None
                kind = kind.get('type') if isinstance(kind, Mapping) else None
                if isinstance(kind, str) and OPTIMIZERS.get(kind) is None:
                    raise KeyError(f'{kind} is not in the optimizer registry')
            check_paramwise(unwrap_model(self.model), optim_wrapper)
        return super().build_optim_wrapper(optim_wrapper)

    @staticmethod
    def build_dataloader(dataloader: DataLoader | dict, seed: int | None = None,
                         diff_rank_seed: bool = False) -> DataLoader:
        """As mmengine's, without the options that torch refuses where there are no workers."""
        if isinstance(dataloader, Mapping) and not dataloader.get('num_workers'):
            dataloader = {key: value for key, value in dataloader.items()
                          if key not in ('persistent_workers', 'prefetch_factor')}
        return Runner.build_dataloader(dataloader, seed, diff_rank_seed)

    def build_logger(self, *args: Any, **kwargs: Any) -> MMLogger:
        logger = super().build_logger(*args, **kwargs)
        compact(logger, self)
        return logger

    def set_randomness(self, seed: int | None, diff_rank_seed: bool = False,
                       deterministic: bool = False) -> None:
        """As mmengine's; ``deterministic`` warns of operations that have no deterministic form on
        a GPU (pooling's backward pass) where mmengine's stops at them."""
        if deterministic:  # what cuBLAS asks for
            os.environ.setdefault('CUBLAS_WORKSPACE_CONFIG', ':4096:8')
        super().set_randomness(seed, diff_rank_seed, deterministic)
        if deterministic:
            torch.use_deterministic_algorithms(True, warn_only=True)

    def wrap_model(self, model_wrapper_cfg: dict | None, model: nn.Module) -> nn.Module:
        """As mmengine's.

        Raises:
            ValueError: ``sync_bn`` with a network of timm, whose activations it would drop.
        """
        if self.cfg.get('sync_bn') and any(
                type(m).__name__ == 'BatchNormAct2d' for m in model.modules()):
            raise ValueError(
                f'sync_bn={self.cfg.sync_bn!r} would drop the activations of timm\'s batch norms; '
                'leave it out')
        return super().wrap_model(model_wrapper_cfg, model)
