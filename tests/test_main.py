"""The console script "mmwsss"."""

import sys
from pathlib import Path

import pytest

from mmwsss.__main__ import NAMES, commands, main, name_of, summary
from mmwsss.utils import cli

TOOLS = Path(__file__).parents[1] / 'tools'
# Files of the table that may not be there.
LATER = {'new_project.py'}


def runnable():
    return {file for file in TOOLS.rglob('*.py')
            if "if __name__ == '__main__':" in file.read_text()}


def test_every_tool_has_a_name_of_its_own():
    known = commands()
    assert set(known.values()) == runnable()
    assert len(known) == len(runnable())
    assert {file.name for file in TOOLS.glob('*.py')} <= {file.name for file in known.values()}


def test_names():
    assert {'train', 'test', 'pipeline', 'cams', 'masks', 'infer', 'infer-cams', 'check', 'browse',
            'export', 'submit', 'config', 'convert-seam', 'data-voc', 'benchmark-crf'} <= set(
                commands())
    assert name_of('reproduce.py') == 'reproduce' and name_of('new_project.py') == 'new'


def test_the_table_names_tools():
    missing = {path for path in NAMES if not (TOOLS / path).is_file()}
    assert missing <= LATER


def test_a_tool_is_found_by_its_file(tmp_path):
    (tmp_path / 'benchmarks').mkdir()
    for name in ('new_project.py', 'my_tool.py', 'benchmarks/my_tool.py'):
        (tmp_path / name).write_text("if __name__ == '__main__':\n    pass\n")
    (tmp_path / 'shared.py').write_text('# not to be run\n')
    assert list(commands(tmp_path)) == ['my-tool', 'new', 'benchmark-my-tool']


def test_help_has_a_line_for_each(capsys):
    assert main([]) == main(['--help']) == 0
    lines = capsys.readouterr().out.splitlines()
    for name, file in commands().items():
        assert len(summary(file)) > 10, file
        assert any(line.split()[:1] == [name] and line.endswith(summary(file)) for line in lines)


@pytest.mark.parametrize('name, near', [('trian', 'train'), ('pipelin', 'pipeline'),
                                        ('qqq', '--help')])
def test_an_unknown_name(name, near, capsys):
    assert main([name]) == 2
    message = capsys.readouterr().err
    assert f'"{name}"' in message and near in message


def test_it_runs_the_tool(capsys, monkeypatch):
    monkeypatch.setattr(sys, 'argv', list(sys.argv))
    monkeypatch.setattr(sys, 'path', list(sys.path))
    monkeypatch.setattr(cli, 'program', None)
    with pytest.raises(SystemExit) as end:
        main(['pipeline', '--help'])
    out = capsys.readouterr().out
    assert end.value.code == 0 and 'usage: mmwsss pipeline' in out and '--stages' in out
