"""Configs and models for inference."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from mmengine.config import Config
from mmengine.utils import import_modules_from_strings
from torch import nn

from mmwsss.registry import MODELS
from mmwsss.utils import load_checkpoint_safely, register_all_modules
from mmwsss.utils.checkpoint import state_dict_of
from mmwsss.utils.cli import check_keys, merge_options
from mmwsss.utils.option_types import check_option_types
from mmwsss.utils.setup_env import choose_device
from mmwsss.utils.shipped import find_config

from .cam_options import resolve_test_cfg


def read_config(config: str | Path | Config, options: Mapping[str, Any] | None = None) -> Config:
    """Read a config and register all of mmwsss, the default scope from here on.

    Args:
        config: Config, or its file; one that comes with mmwsss is found from any folder, as
            ``configs/ktse/ktse_r38_voc.py``.
        options: Changes by dotted keys, as of ``--cfg-options``.

    Returns:
        The config, with the options of its CAMs in ``model.test_cfg``
        (:func:`~mmwsss.inference.cam_options`).

    Raises:
        FileNotFoundError: There is no such file.
        ImportError: ``custom_imports`` names what cannot be imported.
        KeyError: An option has an unknown top-level key, or the file nearly one of a run.
        SyntaxError: The file is no Python.
        TypeError: An option of a component has a wrong type, or ``custom_imports``; names it.
    """
    register_all_modules()
    if not isinstance(config, Config):
        config = _from_file(str(find_config(config)))
    check_keys(config)
    merge_options(config, options)
    _import_custom(config.get('custom_imports'))
    check_option_types(config)
    return resolve_test_cfg(config)


def _from_file(path: str) -> Config:
    try:
        return Config.fromfile(path, import_custom_modules=False)
    except SyntaxError as error:
        if error.filename in (None, '<unknown>'):
            error.filename = path
        raise


def _import_custom(custom: Any) -> None:
    """Import what ``custom_imports`` names; of the file and of the options alike."""
    if not custom:
        return
    imports = custom.get('imports') if isinstance(custom, Mapping) else None
    imports = [imports] if isinstance(imports, str) else imports
    if not isinstance(imports, (list, tuple)) or set(custom) - {'imports', 'allow_failed_imports'}:
        raise TypeError(f"custom_imports={custom!r} must be dict(imports=['my_module']); on the "
                        'command line: --cfg-options custom_imports.imports=my_module')
    import_modules_from_strings(list(imports), custom.get('allow_failed_imports', False))


def model_config(config: Config) -> dict:
    """Config of the model.

    Raises:
        ValueError: There is none.
    """
    if not config.get('model'):
        raise ValueError(f'config "{config.filename or "without a file"}" has no model=dict(...)')
    return config.model


def load_weights(model: nn.Module, checkpoint: str | Path, partial: bool = False) -> list[str]:
    """Load a checkpoint's weights into a model.

    Args:
        model: Of the config that the weights are of.
        checkpoint: Its file.
        partial: The model may have weights that the checkpoint lacks; they stay as they are.

    Returns:
        What the checkpoint lacks.

    Raises:
        FileNotFoundError: No such checkpoint.
        ValueError: The weights are of another model; names keys or shapes.
    """
    state = state_dict_of(load_checkpoint_safely(checkpoint), checkpoint)
    wrong = f'checkpoint "{checkpoint}" does not fit the model of the config'
    try:
        missing, unexpected = model.load_state_dict(state, strict=False)
    except RuntimeError as error:  # shapes
        raise ValueError(f'{wrong}: {str(error).splitlines()[-1].strip()}; take the config it was '
                         'trained with') from error
    if unexpected or (missing and not partial):
        raise ValueError(
            f'{wrong}: missing {missing[:5]}, not known {unexpected[:5]}; take the config it was '
            'trained with')
    return missing


def load_model(config: str | Path | Config,
               checkpoint: None | str | Path = None,
               device: str | torch.device | None = None) -> nn.Module:
    """Build the model of a config for inference.

    Args:
        config: Config, or its file.
        checkpoint: Weights; every key must fit. None leaves the model as it is built.
        device: Default: a GPU if there is one.

    Returns:
        The model in eval mode.

    Raises:
        FileNotFoundError: No such config or checkpoint.
        ValueError: The weights are of another model (names the keys), the config has none, or there
            is no such device.
    """
    device = choose_device(device)
    model = MODELS.build(model_config(read_config(config)))
    if checkpoint is not None:
        load_weights(model, checkpoint)
    return model.to(device).eval()
