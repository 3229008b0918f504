"""One command for all benchmarks: the timer, the rows, and the table in the docs."""

import sys
from pathlib import Path

import pytest
import torch

FOLDER = Path(__file__).parents[2] / 'tools' / 'benchmarks'


@pytest.fixture
def modules(monkeypatch):
    threads = torch.get_num_threads()
    monkeypatch.syspath_prepend(str(FOLDER))
    for name in ('common', 'run_all'):
        monkeypatch.delitem(sys.modules, name, raising=False)
    import common
    import run_all
    yield common, run_all
    torch.set_num_threads(threads)
    for name in ('common', 'run_all'):
        sys.modules.pop(name, None)


def test_every_benchmark_runs_from_the_one_command(modules):
    _, run_all = modules
    scripts = {path.stem for path in FOLDER.glob('*.py')} - {'common', 'run_all'}
    assert set(run_all.BENCHMARKS) <= scripts
    page = (FOLDER.parents[1] / 'docs/benchmarks.md').read_text()
    assert all(f'{script}.py' in page for script in run_all.BENCHMARKS)
    assert page.count(run_all.BEGIN) == page.count(run_all.END) == 1


def test_versions_take_turns_and_the_fastest_counts(modules, monkeypatch):
    common, _ = modules
    order, now = [], [0.]
    spent = dict(slow=iter((9, 5, 4)), fast=iter((9, 1, 2)))

    def run(name):
        order.append(name)
        now[0] += next(spent[name])

    monkeypatch.setattr(common, 'clock', lambda device: now[0])
    times = common.alternate(dict(slow=lambda: run('slow'), fast=lambda: run('fast')), repeats=2)
    assert order == ['slow', 'fast'] * 3
    assert times == dict(slow=4, fast=1)  # the first run of each warms up
    row = common.Row('x', times['slow'], times['fast'], note='n')
    assert row.ratio == 4
    assert common.markdown([row, common.Row('y', None, 2.)]).splitlines()[2:] == [
        '| x | 4 s | 1 s | 4.00 | n |', '| y | – | 2 s | – |  |']


def test_versions_that_differ_are_an_error(modules):
    common, _ = modules
    common.check_equal(torch.ones(2), torch.ones(2) + 1e-6, 1e-5, 'maps')
    with pytest.raises(AssertionError, match='maps: the versions differ by 1'):
        common.check_equal(torch.ones(2), torch.zeros(2), 1e-5, 'maps')
    with pytest.raises(AssertionError, match='nan'):
        common.check_equal(torch.ones(2), torch.full((2, ), float('nan')), 1e-5, 'maps')


def test_the_table_takes_the_place_of_the_old_one(modules, tmp_path):
    common, run_all = modules
    page = tmp_path / 'page.md'
    page.write_text(f'before\n{run_all.BEGIN}\nold\n{run_all.END}\nafter\n')
    for _ in range(2):
        run_all.write_table(page, [common.Row('x', 3., 1.)], 'a machine')
    text = page.read_text()
    assert text.startswith('before\n') and text.endswith(f'{run_all.END}\nafter\n')
    assert text.count('a machine') == text.count('| x | 3 s | 1 s | 3.00 |') == 1
    assert 'old' not in text
    page.write_text('nothing')
    with pytest.raises(ValueError, match='no lines'):
        run_all.write_table(page, [], '')


@pytest.mark.slow
def test_a_short_run(modules, tmp_path, capsys):
    """Figures of two benchmarks, by the one command."""
    _, run_all = modules
    for name in ('seed_metric', 'metrics'):
        rows = run_all.run(name, run_all.BENCHMARKS[name][0])
        assert rows and all(row.ratio > 0.5 for row in rows)
    with pytest.raises(RuntimeError, match='seed_metric'):
        run_all.run('seed_metric', ('--unknown', ))
