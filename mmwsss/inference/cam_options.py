"""How a config makes its CAMs: the one answer, for pipeline, tools, hook, API and validation."""

import inspect
import math
from collections.abc import Collection, Mapping
from typing import Any

from mmengine.config import Config

from mmwsss.models.utils.multi_scale import NORM, RELU, multi_scale_cam
from mmwsss.registry import MODELS

# Options of the inference, which validation has as well, and of the making of files.
INFERENCE = {name: parameter.default
             for name, parameter in inspect.signature(multi_scale_cam).parameters.items()
             if parameter.default is not inspect.Parameter.empty
             and name not in ('size', 'eps', 'background')}
FILES = dict(stride='auto', batch_size=1, num_workers=2)
VALIDATION = {*INFERENCE, 'logits'}  # of a model's test_cfg and val_cam


def cam_options(cfg: Config, **overrides: Any) -> dict:
    """Options of :func:`generate_cams` that a config asks for.

    They are the defaults of :func:`multi_scale_cam` under the config's ``model.test_cfg`` under its
    ``pipeline.cam`` under ``overrides``.

    Args:
        cfg: Config of a classifier.
        overrides: ``scales``, ``flip``, ``relu``, ``norm``, ``max_side``, ``stride``,
            ``batch_size``, ``num_workers``; None leaves the config's.

    Raises:
        ValueError: An unknown option, or one out of its range; names it.
    """
    defaults = {**INFERENCE, **FILES}
    test_cfg = (cfg.get('model') or {}).get('test_cfg') or {}
    block = (cfg.get('pipeline') or {}).get('cam') or {}
    given = {key: value for key, value in overrides.items() if value is not None}
    for where, some, known in (('model.test_cfg', test_cfg, VALIDATION),
                               ('pipeline.cam', block, defaults), ('CAMs', given, defaults)):
        _check_known(where, some, known)
    return _checked({**defaults, **{key: test_cfg[key] for key in INFERENCE if key in test_cfg},
                     **block, **given})


def _check_known(where: str, some: Mapping, known: Collection) -> None:
    unknown = sorted(set(some) - set(known))
    if unknown:
        raise ValueError(f'{where}: no option {unknown}; there are {sorted(known)}')


def _checked(options: dict) -> dict:
    """The options, if all are in their range."""
    options['scales'] = _scales(options['scales'])
    for key, least, others in (('stride', 1, ('auto', )), ('max_side', 1, (None, )),
                               ('batch_size', 1, ()), ('num_workers', 0, ())):
        value = options[key]
        if value not in others and (
                isinstance(value, bool) or not isinstance(value, int) or value < least):
            also = ''.join(f', or {other!r}' for other in others)
            raise ValueError(
                f'{key}={value!r} of the CAMs must be an integer of at least {least}{also}')
    for key, known in (('flip', (True, False)), ('relu', RELU), ('norm', NORM)):
        if options[key] not in known:
            raise ValueError(f'{key}={options[key]!r} of the CAMs must be one of {known}')
    if options['relu'] == 'none' and options['norm'] != 'minmax':
        raise ValueError("relu='none' of the CAMs needs norm='minmax', since the maps are negative "
                         'in part')
    return options


def _scales(scales: Any) -> tuple[float, ...]:
    scales = tuple(scales) if isinstance(scales, (list, tuple)) else (scales, )
    if not scales or not all(isinstance(x, (int, float)) and x > 0 and math.isfinite(x)
                             for x in scales):
        raise ValueError(f'scales={scales} of the CAMs must be positive numbers')
    return scales


def file_options(options: Mapping[str, Any]) -> dict:
    """Those of :func:`cam_options` that change what is in the files, not only the speed."""
    return {key: value for key, value in options.items()
            if key not in ('batch_size', 'num_workers')}


def inference_options(cfg: Config, **overrides: Any) -> dict:
    """The part of :func:`cam_options` that :func:`multi_scale_cam` takes."""
    options = cam_options(cfg, **overrides)
    return {key: options[key] for key in INFERENCE}


def resolve_test_cfg(cfg: Config) -> Config:
    """Write the options of the CAMs into ``cfg.model.test_cfg``, so that validation and test by
    mmengine's Runner make the same CAMs; models without CAMs are left alone.

    Returns:
        ``cfg``.

    Raises:
        ValueError: See :func:`cam_options`; of ``model.val_cam``, too.
    """
    model = cfg.get('model') or {}
    if 'type' in model and hasattr(MODELS.get(model['type']), 'predict_cam'):
        cfg.model.test_cfg = {**(model.get('test_cfg') or {}), **inference_options(cfg)}
        val_cam = model.get('val_cam') or {}
        _check_known('model.val_cam', val_cam, VALIDATION)
        _checked({**FILES, **cfg.model.test_cfg, **val_cam})
    return cfg
