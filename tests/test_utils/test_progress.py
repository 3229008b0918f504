import logging
from types import SimpleNamespace

from mmwsss.utils import progress
from mmwsss.utils.progress import duration, track


def test_duration():
    assert [duration(s) for s in (5, 75.4, 3725)] == ['0:05', '1:15', '1:02:05']


def test_every_item_comes_through_and_the_time_left_is_said(monkeypatch):
    lines, now = [], iter(range(0, 1000, 10))
    monkeypatch.setattr(progress, 'print_log', lambda text, logger: lines.append(text))
    monkeypatch.setattr(progress.time, 'monotonic', lambda: next(now))
    assert list(track(iter('abc'), 'work', total=6, steps=[1, 2, 3])) == ['a', 'b', 'c']
    # A line at 20 s with 3 of 6 done (10 s alone are below `every`), and one at the end.
    assert lines == ['work: 3 of 6, 0:20 left', 'work: 6 of 6 in 0:40']


def test_other_processes_are_silent(monkeypatch, caplog):
    monkeypatch.setattr(progress, 'is_main_process', lambda: False)
    with caplog.at_level(logging.INFO):
        assert list(track([1, 2], 'work')) == [1, 2]
    assert not caplog.records


def test_short_work_is_silent(monkeypatch):
    lines = []
    monkeypatch.setattr(progress, 'print_log', lambda text, logger: lines.append(text))
    assert list(track([1, 2], 'work', least=3)) == [1, 2] and not lines
    monkeypatch.setattr(progress, 'Console', lambda: SimpleNamespace(is_terminal=False))
    assert list(track([1, 2], 'work', least=2)) == [1, 2] and len(lines) == 1
