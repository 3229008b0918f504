"""Every config loads, its model, transforms and optimizer can be built."""

import copy
from pathlib import Path

import pytest
import torch
from mmengine import Config
from mmengine.optim import build_optim_wrapper
from mmengine.registry import init_default_scope
from mmengine.utils import import_modules_from_strings

import mmwsss.datasets  # noqa: F401
import mmwsss.engine  # noqa: F401
import mmwsss.models  # noqa: F401
from mmwsss.registry import MODELS, TRANSFORMS

ROOT = Path(__file__).parents[1]
CONFIGS = sorted(
    str(path.relative_to(ROOT)) for pattern in ('configs/*/*.py', 'projects/*/configs/*.py')
    for path in ROOT.glob(pattern) if path.parent.name != '_base_')


def without_weights(config):
    """No file of pretrained weights."""
    if isinstance(config, dict):
        if config.get('type') == 'Pretrained':
            return None
        return {key: without_weights(value) for key, value in config.items()}
    if isinstance(config, (list, tuple)):
        return [without_weights(value) for value in config]
    return config


def pipelines(config):
    """All lists of transforms in a config of a data set."""
    for key, value in config.items():
        if key.endswith('pipeline'):
            yield value
        elif isinstance(value, dict):
            yield from pipelines(value)


@pytest.mark.parametrize('name', CONFIGS)
def test_config(name, monkeypatch):
    monkeypatch.syspath_prepend(ROOT)  # for the imports of projects
    config = Config.fromfile(ROOT / name)
    init_default_scope(config.get('default_scope', 'mmwsss'))
    if config.get('custom_imports'):
        import_modules_from_strings(**config.custom_imports)
    for key in ('train_dataloader', 'val_dataloader', 'test_dataloader'):
        if config.get(key):
            for pipeline in pipelines(config[key].to_dict()['dataset']):
                for transform in copy.deepcopy(pipeline):
                    TRANSFORMS.build(transform)
    if config.get('model'):
        # Without memory; foreign backbones read numbers from a linspace.
        linspace = torch.linspace
        monkeypatch.setattr(torch, 'linspace', lambda *args: linspace(*args, device='cpu'))
        with torch.device('meta'):
            model = MODELS.build(without_weights(config.model.to_dict()))
        assert sum(p.numel() for p in model.parameters()) > 0
        if config.get('optim_wrapper'):
            build_optim_wrapper(model, config.optim_wrapper)
