"""A wrong type anywhere in a config ends in one line, never in a traceback."""

import ast
import inspect
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import pytest
from mmengine.config import Config

import mmwsss
from mmwsss.inference import read_config
from mmwsss.models.modules import WSSSModule
from mmwsss.registry import MODELS
from mmwsss.utils import register_all_modules
from mmwsss.utils.errors import explain
from mmwsss.utils.option_types import check_option_types, component, fits, option_types, registries

register_all_modules()
COMPONENTS = sorted({
    kind.__name__: kind for one in registries() for kind in one.module_dict.values()
    if inspect.isclass(kind) and kind.__module__.startswith('mmwsss.')
    and component(kind.__name__) is kind}.items())
WRONG = ['text', 1.5, -3, True, None, [], ['x', 1], dict(a=1)]


@pytest.mark.parametrize(('value', 'hint', 'good'), [
    (1, int, True), (True, int, False), (1., int, False), (1, float, True), ('1', float, False),
    (None, int | None, True), ([1, 2], tuple[int, int], True), (['1'], Sequence[int], False),
    ('ab', Sequence[str], False), ([], list[int], True), ({}, dict, True), (3, dict | None, False),
    (True, bool, True), (1, bool, False), ('a', Literal['a', 'b'], True),
    ('c', Literal['a', 'b'], False), ([(0, 1)], Sequence[tuple[int, int]], True),
    ([(0, 'x')], Sequence[tuple[int, int]], False), (3, inspect.Signature, True)])
def test_fits(value, hint, good):
    assert fits(value, hint) is good


def test_the_whole_library_is_looked_at():
    """All classes that the source registers, and all their parameters but those that no config
    gives."""
    classes = [node for file in Path(mmwsss.__file__).parent.rglob('*.py')
               for node in ast.walk(ast.parse(file.read_text()))
               if isinstance(node, ast.ClassDef)]
    registered = {node.name for node in classes
                  if any('register_module' in ast.unparse(one) for one in node.decorator_list)}
    assert {name for name, _ in COMPONENTS} == registered
    bare = {parameter.name for _, kind in COMPONENTS
            for parameter in inspect.signature(kind).parameters.values()
            if parameter.annotation is parameter.empty
            and parameter.kind not in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD)}
    assert bare == {'optimizer', 'runner'}


@MODELS.register_module(force=True)
class OwnLossModule(WSSSModule):
    """Of a user, outside the package; its ``name`` has no annotation."""

    def __init__(self, share: float = 0.5, name=None, **kwargs):
        super().__init__(name=name, **kwargs)
        self.share = share

    def loss(self, views):
        return {}


class _Foreign(WSSSModule):
    """A parent of another package, which hands all options on."""

    def __init__(self, size: int = 3, **kwargs):
        super().__init__(**kwargs)


_Foreign.__module__ = 'elsewhere'


@MODELS.register_module(force=True)
class OwnChild(_Foreign):
    """Of a user."""

    def loss(self, views):
        return {}


@pytest.mark.parametrize(('kind', 'key', 'value', 'good'), [
    ('OwnLossModule', 'share', '0.1', False), ('OwnLossModule', 'share', 1, True),
    ('OwnLossModule', 'weight', '0.1', False), ('OwnLossModule', 'weight', None, False),
    ('OwnLossModule', 'begin', 1.5, False), ('OwnLossModule', 'name', 3, True),
    ('OwnChild', 'weight', None, False), ('OwnChild', 'size', 'x', True),
    ('OwnChild', 'weight', 0.1, True)])
def test_components_of_ones_own(kind, key, value, good):
    """Also the options that they inherit from the package; not those of others."""
    config = dict(model=dict(modules=[{'type': kind, key: value}]))
    if good:
        return check_option_types(config)
    with pytest.raises(TypeError, match=rf'^model\.modules\.0\.{key}=.*{kind} needs'):
        check_option_types(config)


@pytest.mark.parametrize('name', [name for name, _ in COMPONENTS])
def test_every_option_of_a_wrong_type_is_one_line(name):
    """What does not fit its annotation is refused by name; the defaults fit."""
    for key, (hint, default) in option_types(component(name)).items():
        assert default is inspect.Parameter.empty or default is None or fits(default, hint), key
        for value in WRONG:
            if value is default or fits(value, hint):
                continue
            with pytest.raises(TypeError) as caught:
                check_option_types({'part': {'type': name, key: value}})
            text = explain(caught.value)
            assert re.match(rf"part\.{key}(\[\d\])*=.*: {name} needs ", text) and '\n' not in text


def test_the_item_that_is_wrong_is_named():
    """As the command line gives it, where a dict( in a list stays text."""
    model = dict(type='WSSSClassifier', modules=[dict(type='X'), "dict(type='X')"])
    with pytest.raises(TypeError, match=r"""model.modules\[1\]="dict\(type='X'\)": """
                       'WSSSClassifier needs dict, not str'):
        check_option_types(dict(model=model))


@pytest.mark.parametrize('kind', ['module', 'head', 'refiner'])
def test_what_breaks_while_a_component_is_built_is_one_line(kind):
    """Values of fitting or unknown types that the constructor cannot use."""
    tried = 0
    for name, cls in COMPONENTS:
        if f'.{kind}s.' not in cls.__module__ or MODELS.module_dict.get(name) is not cls:
            continue
        good = {p.name: 3 for p in inspect.signature(cls).parameters.values()
                if p.default is p.empty and p.kind is p.POSITIONAL_OR_KEYWORD}
        for key in (*option_types(cls), *good):
            for value in WRONG:
                try:
                    MODELS.build({'type': name, **good, key: value})
                except Exception as error:
                    text = explain(error)
                    assert text and '\n' not in text, (name, key, value, repr(error))
                    tried += 1
    assert tried > 20


@pytest.mark.parametrize(('key', 'value'), [
    ('pipeline', 3), ('pipeline.cam', 5), ('pipeline.cam', 'x'), ('pipeline.mask', 3),
    ('pipeline.segment', 'file.py'), ('pipeline.segment', dict(config=5)),
    ('pipeline.affinity', []), ('pipeline.affinity', dict(config='x', labels=3)),
    ('pipeline.prior', 3), ('pipeline.start', 3), ('pipeline.baseline', 4),
    ('pipeline.metrics', 'x'), ('pipeline.metrics', [3]), ('pipeline.stages', 'x'),
    ('pipeline.report', 3),
    ('pipeline.segment', dict(config='x', cfg_options='a=1')),
    ('model.modules.0.num_pairs', '4'), ('train_cfg.max_epochs', '3')])
def test_a_config(key, value):
    cfg = Config(dict(
        model=dict(modules=[dict(type='SimulatedInterImageErasing', num_pairs=4)]),
        train_cfg=dict(type='WSSSTrainLoop', max_epochs=3), pipeline=dict()))
    *path, last = key.split('.')
    part = cfg
    for step in path:
        part = part[int(step) if step.isdigit() else step]
    part[last] = value
    with pytest.raises(TypeError, match=f'^{key}.*needs') as caught:
        read_config(cfg)
    assert '\n' not in explain(caught.value)
