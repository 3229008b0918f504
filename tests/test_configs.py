"""Every config loads, its model, transforms and optimizer can be built."""

import copy
import re
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


def pipelines(config):
    """All lists of transforms in a config of a data set."""
    for key, value in config.items():
        if key.endswith('pipeline'):
            yield value
        elif isinstance(value, dict):
            yield from pipelines(value)


@pytest.mark.parametrize('name', CONFIGS)
def test_config(name, monkeypatch, without_weights):
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


@pytest.mark.parametrize('name', [
    name for name in CONFIGS if re.search(r'_coco(?!-)', name)])
def test_another_data_set_is_a_few_lines(name):
    """A method's config on a further data set: another base file and the number of classes."""
    lines = (ROOT / name).read_text().splitlines()
    assert len(lines) <= 30
    config = Config.fromfile(ROOT / name).to_dict()
    for kind in ('train', 'val', 'test'):
        data = (config.get(f'{kind}_dataloader') or {}).get('dataset')
        if data:
            assert data['data_root'] == 'data/coco2014'
            assert 'COCOImageLabelDataset' in (data['type'], data.get('mask_classes'))


def test_every_base_is_used():
    """By its name in the ``_base_`` of another config."""
    texts = ''.join(path.read_text() for folder in ('configs', 'projects')
                    for path in (ROOT / folder).rglob('*.py'))
    for path in (ROOT / 'configs/_base_').rglob('*.py'):
        assert f"/{path.name}'" in texts, path


@pytest.mark.parametrize('name', CONFIGS)
def test_one_data_set_with_views(name):
    """No wrapper, and every view and field that the modules need."""
    config = Config.fromfile(ROOT / name, import_custom_modules=False)
    data = (config.get('train_dataloader') or {}).get('dataset', {})
    assert 'dataset' not in data and 'single_dataset' not in config
    views = {view['type'] for view in data.get('views', ())}
    modules = {module['type'] for module in config.get('model', {}).get('modules', ())}
    assert ('SimulatedInterImageErasing' in modules) == ('PairedView' in views)
    assert ('CrossDomainDecoupling' in modules) == ('CrossDomainView' in views)
    strong = any(transform['type'] == 'StrongView' for transform in data.get('pipeline', ()))
    assert ('FeatureSpatialActivationExpansion' in modules) == strong
