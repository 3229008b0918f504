"""The rule of floors: imports go down, never up or in a circle, and no file is long."""

import ast
from collections import Counter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / 'mmwsss'
MAX_LINES = 400
# From the ground up; the parts of one floor may use each other.
FLOORS = (('utils', 'registry', 'structures', 'version', '_compat'), ('datasets', ), ('models', ),
          ('evaluation', 'engine', 'inference', 'visualization'), ('pipeline', ), ('apis', ),
          ('__main__', ))
LEVEL = {part: level for level, parts in enumerate(FLOORS) for part in parts}
GROUND = set(FLOORS[0])
# What the narrower rules allow beside a part itself.
ONLY = dict(utils={'registry', 'version', '_compat'}, structures={'utils', 'registry'},
            registry={'_compat'}, visualization=GROUND)


def module_name(path, package=PACKAGE):
    parts = path.relative_to(package.parent).with_suffix('').parts
    return '.'.join(parts[:-1] if parts[-1] == '__init__' else parts)


def imports(path, modules, package=PACKAGE):
    """Modules of the package that a file imports, wherever in the file, as far as each statement
    names them: ``from a import b`` is ``a.b`` where that is a module, else ``a``."""
    name = module_name(path, package)
    base = name if path.name == '__init__.py' else name.rpartition('.')[0]
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding='utf-8'))):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names if alias.name in modules)
        elif isinstance(node, ast.ImportFrom):
            parts = base.split('.')
            source = node.module or ''
            if node.level:
                above = parts[:len(parts) - node.level + 1]
                source = '.'.join([*above, source]).strip('.')
            for alias in node.names:
                target = f'{source}.{alias.name}'
                target = target if target in modules else source
                if target in modules:
                    found.add(target)
    return found - {name}


def graph(package=PACKAGE):
    modules = {module_name(path, package): path for path in sorted(package.rglob('*.py'))}
    return {name: imports(path, set(modules), package) for name, path in modules.items()}


def circle(edges):
    """One circle of the graph as a list of modules; empty if there is none."""
    state, stack = {}, []

    def visit(name):
        state[name] = 'open'
        stack.append(name)
        for target in sorted(edges[name]):
            if state.get(target) == 'open':
                return [*stack[stack.index(target):], target]
            if target not in state:
                found = visit(target)
                if found:
                    return found
        stack.pop()
        state[name] = 'closed'
        return []

    for name in edges:
        if name not in state:
            found = visit(name)
            if found:
                return found
    return []


def part(name):
    return name.split('.')[1] if '.' in name else None


def arrows_up(edges):
    """Imports of a higher floor, or of more than the narrower rules allow."""
    wrong = []
    for name, targets in edges.items():
        for target in sorted(targets):
            here, there = part(name), part(target)
            if here is None or there is None or here == there:
                continue
            if LEVEL[there] > LEVEL[here] or there not in ONLY.get(here, {there}):
                wrong.append(f'{name} imports {target}')
    return wrong


EDGES = graph()


def test_every_part_has_a_floor():
    assert {part(name) for name in EDGES} - {None} == set(LEVEL)


def test_no_arrow_goes_up():
    assert arrows_up(EDGES) == []


def test_no_circle():
    assert circle(EDGES) == []


def test_no_two_files_have_one_name():
    names = Counter(path.name for path in PACKAGE.rglob('*.py'))
    # `base` is what the other files of its folder build on.
    assert {name for name, count in names.items() if count > 1} <= {'__init__.py', 'base.py'}


@pytest.mark.parametrize('folder', ['mmwsss', 'tools', 'tests', 'configs', 'projects'])
def test_no_file_is_long(folder):
    lengths = {str(path.relative_to(ROOT)): len(path.read_text(encoding='utf-8').splitlines())
               for path in (ROOT / folder).rglob('*.py') if 'work_dirs' not in path.parts}
    assert lengths
    assert {path: count for path, count in lengths.items() if count > MAX_LINES} == {}


def test_the_rules_see_what_they_forbid(tmp_path):
    package = tmp_path / 'mmwsss'
    for name, text in {
            '__init__': '', 'utils/__init__': '', 'models/__init__': 'from . import a',
            'models/a': 'def f():\n    from .b import x', 'models/b': 'import mmwsss.models.a',
            'utils/up': 'if True:\n    from mmwsss.models import a\n    from mmwsss import models',
            'visualization/__init__': 'from ..evaluation import x', 'evaluation/__init__': '',
            'datasets/__init__': 'from mmwsss.utils.up import y'}.items():
        (package / f'{name}.py').parent.mkdir(parents=True, exist_ok=True)
        (package / f'{name}.py').write_text(text)
    edges = graph(package)
    assert edges['mmwsss.models'] == {'mmwsss.models.a'}
    assert edges['mmwsss.datasets'] == {'mmwsss.utils.up'}
    assert set(arrows_up(edges)) == {
        'mmwsss.utils.up imports mmwsss.models', 'mmwsss.utils.up imports mmwsss.models.a',
        'mmwsss.visualization imports mmwsss.evaluation'}
    assert circle(edges) == ['mmwsss.models.a', 'mmwsss.models.b', 'mmwsss.models.a']
