"""What every tool owes its user: help at once, and the shared command line."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from mmwsss.__main__ import commands
from mmwsss.utils.cli import make_parser

TOOLS = Path(__file__).parents[2] / 'tools'
# Benchmarks are left out: what they import is part of what they measure. soak.py forks after its
# imports.
SHARED = {name: file for name, file in commands().items()
          if file.parent.name != 'benchmarks' and file.name != 'soak.py'}
HEAVY = ('torch', 'torchvision', 'mmengine', 'mmcv', 'mmseg', 'mmpretrain')

# All in one process: if none imports what is slow, none is helped by another.
CODE = """
import contextlib, io, json, runpy, sys
found = {}
for file in sys.argv[1:]:
    before, out = set(sys.modules), io.StringIO()
    folder = file.rpartition('/')[0]
    sys.path.insert(0, folder)
    sys.argv = [file, '--help']
    try:
        with contextlib.redirect_stdout(out):
            runpy.run_path(file, run_name='__main__')
        status = 'ran on'
    except SystemExit as end:
        status = end.code
    sys.path.remove(folder)
    for name in ('archives', ):  # shared by tools of one folder
        sys.modules.pop(name, None)
    found[file] = [status, out.getvalue(), sorted(set(sys.modules) - before)]
json.dump(found, sys.stdout)
"""


@pytest.fixture(scope='module')
def helps():
    files = [str(file) for file in SHARED.values()]
    done = subprocess.run([sys.executable, '-W', 'ignore', '-c', CODE, *files],
                          capture_output=True, text=True, cwd=TOOLS.parent)
    assert done.returncode == 0, done.stderr
    return {str(Path(file).relative_to(TOOLS)): value
            for file, value in json.loads(done.stdout).items()}


def test_help_imports_nothing_slow(helps):
    slow = {file: both for file, (_, _, modules) in helps.items()
            if (both := [name for name in HEAVY if name in modules])}
    assert slow == {}


def test_help_is_help(helps):
    assert len(helps) == len(SHARED)
    for file, (status, text, _) in helps.items():
        assert status == 0 and text.startswith('usage: '), (file, status)


def test_the_command_line_is_the_shared_one():
    own = re.compile(r'sys\.path\.insert|friendly_errors\(|ArgumentParser\(|DictAction,')
    assert [f'{file}: {match[0]}' for file in SHARED.values()
            if (match := own.search(file.read_text()))] == []


def test_choices_written_out_are_those_of_the_library():
    """Importing them for the help would take seconds."""
    from mmwsss.apis.segmentation import EXPORTS
    from mmwsss.models.refiners import AFFINITY_LABELS, REFINERS
    from mmwsss.pipeline import LINE
    assert f'EXPORTS = {EXPORTS!r}' in (TOOLS / 'infer.py').read_text()
    presets = ', '.join([*REFINERS, *AFFINITY_LABELS])
    assert f'({presets})' in ' '.join(make_parser('', 'refine').format_help().split())
    text = ' '.join((TOOLS / 'run_pipeline.py').read_text().replace("'", '').replace('"', '')
                    .split())
    assert f'only these: {" ".join(LINE)}' in text
    from mmwsss.apis.project import BACKBONES
    from mmwsss.pipeline.tables import DATA
    assert f"'{', '.join(BACKBONES)}, or a model of timm" in (TOOLS / 'new_project.py').read_text()
    first, *more = DATA
    assert f'{first} (default), {", ".join(more)} or one' in (TOOLS / 'reproduce.py').read_text()
