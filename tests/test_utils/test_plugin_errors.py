"""A mistake in a plugin is one line that says where it is."""

import importlib
import itertools
import os
import sys

import pytest
from mmengine.registry import FUNCTIONS
from torch.utils.data import DataLoader

import mmwsss.models  # noqa: F401
from mmwsss.inference import read_config
from mmwsss.pipeline.runner_parts import check_component
from mmwsss.registry import DATASETS, HOOKS, LOOPS, METRICS, MODELS
from mmwsss.utils import register_all_modules
from mmwsss.utils.errors import explain
from mmwsss.utils.parallel import ALIKE, ordered_map

_numbers = itertools.count()


@pytest.fixture
def plugin(tmp_path, monkeypatch):
    """Writes a module and gives its name and its text in messages."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)

    def write(code, name=None):
        name = name or f'plugin_{next(_numbers)}'
        (tmp_path / f'{name}.py').write_text(code)
        importlib.invalidate_caches()
        return name

    yield write
    for name in [name for name in sys.modules if name.startswith('plugin_')]:
        del sys.modules[name]
    for registry in (MODELS, DATASETS):
        for name in [name for name, kind in registry.module_dict.items()
                     if kind.__module__.startswith('plugin_')]:
            del registry.module_dict[name]


CODE = '''
import torch
import torch.nn.functional as F
from mmwsss.models.modules import WSSSModule
from mmwsss.registry import MODELS

@MODELS.register_module()
class Own(WSSSModule):
    def __init__(self, layer=False, **kwargs):
        super().__init__(**kwargs)
        if layer:
            torch.nn.Conv2d(3, 3, kernal_size=1)
    def loss(self, views):
        x = torch.zeros(1, 1, 2, 2)
        {}

@MODELS.register_module()
class OtherSignature(WSSSModule):
    def loss(self, images, labels):
        return {{}}
'''
LAST = 'line 15, in Own.loss)'


def line_of(function, *args, **kwargs):
    with pytest.raises(Exception) as caught:
        function(*args, **kwargs)
    return explain(caught.value)


@pytest.mark.parametrize('body, text', [
    ('a, b = (1, 2, 3)', 'too many values to unpack (expected 2) (ValueError in {}.py, '),
    ('F.binary_cross_entropy(x, x[0])', 'Using a target size{} (ValueError in {}.py, '),
    ('F.interpolate(x, (4, 4), align_corner=True)', 'interpolate() got an unexpected keyword '
     'argument \'align_corner\'{} (TypeError in {}.py, '),
    ('torch.nn.Conv2d(3, 3, kernal_size=1)', 'Conv2d.__init__() got an unexpected keyword '
     'argument \'kernal_size\' (TypeError in {}.py, ')])
def test_errors_of_a_loss(plugin, body, text):
    name = plugin(CODE.format(body))
    importlib.import_module(name)
    line = line_of(MODELS.build(dict(type='Own')).loss, None)
    *start, place = text.split('{}')
    assert line.startswith(start[0]) and line.endswith(LAST), line
    assert f'{name}{place}' in line


@pytest.mark.parametrize('cfg, text', [
    (dict(type='Own', wieght=1), 'Own has no option "wieght"; did you mean weight?'),
    (dict(type='Own', depth=1), 'Own has no option "depth"; its options are layer, weight, begin'),
    (dict(type='Own', depth=1), '_delete_=True drops'),
    (dict(type='Own', layer=True), 'Own cannot be built with layer=True: Conv2d.__init__() got'),
    (dict(type='Own', layer=True), 'line 12, in Own.__init__)')])
def test_options(plugin, cfg, text):
    importlib.import_module(plugin(CODE.format('pass')))
    assert text in line_of(MODELS.build, cfg)


def test_a_method_of_another_signature(plugin):
    """mmwsss calls it, so the traceback has nothing of the plugin."""
    name = plugin(CODE.format('pass'))
    importlib.import_module(name)
    module = MODELS.build(dict(type='OtherSignature'))
    with pytest.raises(TypeError) as caught:
        module.loss(None)
    error = caught.value.with_traceback(None)
    assert explain(error) == (
        "OtherSignature.loss() missing 1 required positional argument: 'labels' "
        f'(TypeError in {name}.py, line 19, in OtherSignature.loss)')


def test_errors_of_mmwsss_have_no_place():
    register_all_modules()
    text = line_of(DATASETS.build, dict(type='ImageLabelDataset', drop_empty=True,
                                        allow_negatives=True))
    assert text.endswith('set one of the two')


class Broken:

    def __len__(self):
        return 2

    def __getitem__(self, index):
        raise ValueError('no such image')


def test_in_a_data_worker():
    text = line_of(list, DataLoader(Broken(), num_workers=1))
    assert text.startswith('no such image (ValueError in ')
    assert text.endswith('in __getitem__)') and 'test_plugin_errors.py, line ' in text


# -- imports ---------------------------------------------------------------------------------------
@pytest.mark.parametrize('code, text', [
    ('from mmwsss.models.modules import WSSSModul',
     'custom_imports: "{0}" cannot be imported: cannot import name \'WSSSModul\' from'),
    ('\nimport not_there_at_all', '(ModuleNotFoundError in {0}.py, line 2, in <module>)'),
    ('a, b = 1, 2, 3', 'too many values to unpack (expected 2) (ValueError in {0}.py, line 1, in '
     '<module>)'),
    ('from mmwsss.registry import MODELS\n@MODELS.register_module\nclass A: pass',
     'register_module needs parentheses: register_module() (TypeError in {0}.py, line 2, in ')])
def test_a_broken_plugin(plugin, tmp_path, code, text):
    name = plugin(code)
    (tmp_path / 'own.py').write_text(f'custom_imports = dict(imports=["{name}"])')
    line = line_of(read_config, 'own.py')
    assert text.format(name) in line and '\n' not in line and 'sys.path' not in line


def test_a_missing_plugin(plugin, tmp_path):
    plugin('', 'plugin_of_mine')
    (tmp_path / 'own.py').write_text('custom_imports = dict(imports=["plugin_of_mien"])')
    assert line_of(read_config, 'own.py') == (
        f'custom_imports: there is no module "plugin_of_mien", in "{tmp_path}" or elsewhere on '
        'PYTHONPATH; did you mean plugin_of_mine?')


@pytest.mark.parametrize('value', ["['plugin_x']", "'plugin_x'", "dict(imports=3)",
                                   "dict(import_=['plugin_x'])"])
def test_custom_imports_of_a_wrong_form(tmp_path, value):
    (tmp_path / 'own.py').write_text(f'custom_imports = {value}')
    line = line_of(read_config, tmp_path / 'own.py')
    assert 'must be dict(imports=[' in line and '\n' not in line


def test_no_custom_imports(tmp_path):
    (tmp_path / 'own.py').write_text('custom_imports = None')
    assert read_config(tmp_path / 'own.py').custom_imports is None


# -- unknown components ----------------------------------------------------------------------------
@pytest.mark.parametrize('name, end', [
    ('ResNet', 'did you mean mmseg.ResNet or mmpretrain.ResNet?'),
    ('FCNHead', 'did you mean mmseg.FCNHead?'), ('FCNHaed', 'did you mean mmseg.FCNHead'),
    ('mmseg.ResNt', 'did you mean mmseg.ResNet'), ('mmpretrian.ResNet', 'mean mmpretrain.ResNet?'),
    ('GAPHaed', 'did you mean GAPHead')])
def test_components_of_other_packages(name, end):
    register_all_modules()
    line = line_of(MODELS.build, dict(type=name))
    assert line.startswith(f'there is no model "{name}"; ') and end in line


@pytest.mark.parametrize('registry, name, end', [
    (METRICS, 'SingleLabelMetric', 'did you mean mmpretrain.SingleLabelMetric?'),
    (DATASETS, 'CityscapesDataset', 'did you mean mmseg.CityscapesDataset?'),
    (HOOKS, 'CheckpointHok', 'did you mean CheckpointHook'),
    (FUNCTIONS, 'pseudo_colate', 'did you mean pseudo_collate'),
    (LOOPS, 'XYZ', ' (one of your own must be imported through custom_imports)')])
def test_components_that_only_the_runner_builds(registry, name, end):
    register_all_modules()
    line = line_of(lambda cfg: check_component(registry, cfg, 'key'), dict(type=name))
    assert line.startswith(f'key: there is no {registry.name} "{name}"') and end in line


def test_the_loss_of_a_head_of_mmseg():
    register_all_modules()
    head = dict(type='mmseg.FCNHead', in_channels=4, channels=4, num_classes=3,
                loss_decode=dict(type='CrossEntropyLoss'))
    assert line_of(MODELS.build, head).endswith('; did you mean mmseg.CrossEntropyLoss?')


# -- work in processes -----------------------------------------------------------------------------
def _fails(item):
    raise ValueError('the same' if isinstance(item, str) else f'item {item}')


@pytest.mark.parametrize('workers', [0, 1])
def test_where_an_item_failed(workers, monkeypatch):
    monkeypatch.delenv('MMWSSS_DEBUG', raising=False)
    (_, result, error), = ordered_map(_fails, [0], workers)
    assert result is None and error.startswith('ValueError: item 0 (in ')
    assert error.endswith('in _fails)') and os.path.basename(__file__) in error
    monkeypatch.setenv('MMWSSS_DEBUG', '1')
    (_, _, error), = ordered_map(_fails, [0], workers)
    assert error.startswith('Traceback') and error.endswith('ValueError: item 0')


def test_items_that_all_fail_alike():
    with pytest.raises(RuntimeError, match=f'first {ALIKE} of 30 all failed.*the same') as caught:
        list(ordered_map(_fails, ['a'] * 30))
    assert explain(caught.value) == str(caught.value)
    assert len(list(ordered_map(_fails, range(30)))) == 30  # each by an error of its own
    assert len(list(ordered_map(_fails, ['a'] * ALIKE))) == ALIKE
    assert len(list(ordered_map(_fails, [0, *'a' * 29]))) == 30
    assert len(list(ordered_map(str, range(30)))) == 30
