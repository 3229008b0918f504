"""A mistake of the user ends in one line; a bug keeps its traceback."""

import errno
import os
import re
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
import torch

import mmwsss.models  # noqa: F401
from mmwsss.registry import MODELS
from mmwsss.utils import friendly_errors
from mmwsss.utils.errors import explain
from mmwsss.utils.io import atomic_write
from mmwsss.utils.parallel import ordered_map

ROOT = Path(__file__).parents[2]


def error_of(function, *args, **kwargs):
    with pytest.raises(Exception) as caught:
        function(*args, **kwargs)
    return explain(caught.value)


def test_wrong_key_of_a_component():
    text = error_of(MODELS.build, dict(type='GAPHead', num_clases=3, in_channels=4))
    assert text == 'GAPHead has no option "num_clases"; did you mean num_classes?'
    text = error_of(MODELS.build, dict(type='GAPHead', num_classes=3, in_channels=4, xyz=1))
    assert text.startswith('GAPHead has no option "xyz"; its options are num_classes, in_channels')


def test_wrong_key_in_a_module_of_the_classifier():
    text = error_of(
        MODELS.build, dict(
            type='WSSSClassifier', backbone=dict(type='ResNet38d', width=0.02),
            head=dict(type='GAPHead', num_classes=3, in_channels=80),
            modules=[dict(type='SimulatedInterImageErasing', num_pair=4)]))
    assert text.startswith('SimulatedInterImageErasing has no option "num_pair"; did you mean')


def test_missing_key():
    assert 'GAPHead lacks the option' in error_of(MODELS.build, dict(type='GAPHead', num_classes=3))


def test_unknown_component():
    text = error_of(MODELS.build, dict(type='GAPHaed'))
    assert text.startswith('there is no model "GAPHaed"; did you mean GAPHead')


def test_error_of_a_data_worker():
    error = ValueError(
        'Caught ValueError in DataLoader worker process 0.\nOriginal Traceback (most recent call '
        'last):\n  File "x.py", line 1\nValueError: image "a.jpg" is cut off; restore it\n')
    assert explain(error) == 'image "a.jpg" is cut off; restore it'


def test_missing_file():
    assert error_of(open, 'nothing.py') == '"nothing.py" does not exist'


def test_text_in_place_of_a_dict():
    assert error_of(MODELS.build, 3).startswith('cfg should be a dict')


@pytest.mark.parametrize('bug', [
    TypeError("unsupported operand type(s) for +: 'int' and 'str'"), KeyError('x'),
    RuntimeError('size mismatch'), IndexError('list index out of range')])
def test_bugs_are_not_explained(bug):
    assert explain(bug) is None
    with pytest.raises(type(bug)), friendly_errors():
        raise bug


def test_the_program_ends_with_one_line(capsys, monkeypatch):
    monkeypatch.delenv('MMWSSS_DEBUG', raising=False)
    with pytest.raises(SystemExit) as end, friendly_errors():
        raise ValueError('labels.json has no image')
    assert end.value.code == 2
    assert capsys.readouterr().err.startswith('error: labels.json has no image')
    monkeypatch.setenv('MMWSSS_DEBUG', '1')
    with pytest.raises(ValueError), friendly_errors():
        raise ValueError('labels.json has no image')


@pytest.mark.parametrize('code, match', [
    (errno.ENOSPC, 'no space is left on the disk for "{}"'),
    (errno.EDQUOT, 'no space is left on the disk for "{}"'),
    (errno.EROFS, '"{}" cannot be read or written'),
    (errno.EACCES, '"{}" cannot be read or written'),
    (errno.EIO, '"{}": Input/output error')])
def test_a_full_or_read_only_disk(tmp_path, monkeypatch, code, match):
    path = tmp_path / 'a.txt'

    def fail(_):
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(os, 'fsync', fail)
    with pytest.raises(OSError) as caught, atomic_write(path) as file:
        file.write('x')
    assert explain(caught.value).startswith(match.format(path))
    assert not list(tmp_path.iterdir())


def test_a_really_full_disk():
    with pytest.raises(OSError) as caught, open('/dev/full', 'w') as file:
        file.write('x' * 10000)
    assert explain(caught.value).startswith('no space is left on the disk for a file')


DYING = '''
import os, signal
from torch.utils.data import DataLoader
from mmwsss.utils.ending import friendly_errors

class Dying:
    def __len__(self):
        return 4

    def __getitem__(self, index):
        if index == 2:
            os.kill(os.getpid(), signal.SIGKILL)
        return index

with friendly_errors():
    list(DataLoader(Dying(), num_workers=1))
'''


@pytest.mark.slow
def test_a_killed_data_worker():
    done = subprocess.run(
        [sys.executable, '-c', DYING], cwd=ROOT, capture_output=True, text=True, timeout=100,
        env=dict(os.environ, PYTHONPATH=str(ROOT), MMWSSS_DEBUG=''))
    assert done.returncode == 2 and 'error: a data worker was killed' in done.stderr
    assert 'Traceback' not in done.stderr


def _dies(item):
    if item == 2:
        os.kill(os.getpid(), signal.SIGKILL)
    return item


def test_a_killed_worker_of_the_masks():
    assert error_of(lambda: list(ordered_map(_dies, range(4), 1))).startswith('a data worker was')


@pytest.mark.parametrize('text, match', [
    ('DataLoader worker (pid 7) is killed by signal: Killed. ', 'a data worker was killed'),
    ('DataLoader worker (pid(s) 7, 8) exited unexpectedly', 'a data worker was killed'),
    ('DataLoader worker (pid 7) is killed by signal: Bus error. It is possible that dataloader\'s '
     'workers are out of shared memory.', 'a data worker was killed.*--shm-size')])
def test_what_torch_says_of_killed_workers(text, match):
    assert re.match(match, explain(RuntimeError(text)))


@pytest.mark.parametrize('kind', [ConnectionResetError, EOFError])
def test_a_broken_connection_is_that_of_a_worker_only_there(kind):
    from multiprocessing.connection import Connection
    left, right = os.pipe()
    os.close(right)
    connection = Connection(left)
    with pytest.raises(EOFError) as caught:
        connection.recv()
    assert explain(kind().with_traceback(caught.value.__traceback__)).startswith('a data worker')
    assert explain(EOFError('Ran out of input')) is None


def test_memory_and_other_processes():
    assert explain(MemoryError()).startswith('memory ran out')
    text = "[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried to allocate"
    assert explain(RuntimeError(text)).startswith('memory ran out')
    assert 'another process' in explain(RuntimeError('[pair.cc] Connection closed by peer [::1]'))


def test_a_type_error_is_explained_where_mmwsss_raises_it():
    from mmwsss.engine.hooks.checkpoint_hook import to_plain
    assert 'cannot be loaded safely' in error_of(to_plain, object())
    assert explain(TypeError('cannot be loaded safely')) is None


def test_channels_that_do_not_fit():
    class Head(torch.nn.Module):

        def __init__(self):
            super().__init__()
            self.layer = torch.nn.Sequential(torch.nn.Conv2d(7, 2, 1))

        def forward(self, x):
            return self.layer(x)

    with pytest.raises(RuntimeError) as caught:
        Head()(torch.zeros(1, 4, 3, 3))
    assert explain(caught.value) == (
        'Head has a layer for 7 channels, but its input has 4: set its in_channels to what the '
        'part before it gives')


def test_a_loss_that_is_no_number():
    assert explain(FloatingPointError('the loss term "x" is nan')) == 'the loss term "x" is nan'


SCRIPT = '''
import sys, time
from mmwsss.utils.ending import friendly_errors
from mmwsss.utils.io import atomic_write
with friendly_errors():
    with atomic_write(sys.argv[1]) as file:
        try:
            print('ready', flush=True)
            time.sleep(60)
        finally:
            if sys.argv[2] == 'hide':  # as torch's writer does within a save
                raise RuntimeError('unexpected pos 64 vs 0')
'''


@pytest.mark.slow
@pytest.mark.parametrize('kind, status, name', [
    (signal.SIGINT, 130, 'Ctrl-C'), (signal.SIGTERM, 143, 'SIGTERM')])
@pytest.mark.parametrize('hide', ['', 'hide'])
def test_stopped_within_a_save(tmp_path, kind, status, name, hide):
    run = subprocess.Popen(
        [sys.executable, '-c', SCRIPT, str(tmp_path / 'a.txt'), hide], cwd=ROOT, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        env=dict(os.environ, PYTHONPATH=str(ROOT), MMWSSS_DEBUG=''),
        # A shell's background job, in which the tests may run, ignores Ctrl-C.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL))
    assert run.stdout.readline() == 'ready\n'
    assert len(list(tmp_path.iterdir())) == 1
    run.send_signal(kind)
    _, text = run.communicate(timeout=60)
    assert run.returncode == status
    assert text.splitlines()[-1].startswith(f'stopped by {name}') and 'Traceback' not in text
    assert not list(tmp_path.iterdir())


STOPPED = '''
import atexit, os, signal, time
from torch.utils.data import DataLoader
from mmwsss.utils.ending import friendly_errors

class Slow:
    def __len__(self):
        return 1000

    def __getitem__(self, index):
        time.sleep(0.01)
        return index

def kill():  # at exit, as weakref finalizers come then
    os.kill(workers[0].pid, signal.SIGTERM)
    time.sleep(1)

atexit.register(kill)
with friendly_errors():
    batches = iter(DataLoader(Slow(), num_workers=2))
    workers = batches._workers
    for batch in batches:
        print('ready', flush=True)
'''


@pytest.mark.slow
@pytest.mark.parametrize('who', ['main', 'group'])
def test_stopped_while_workers_load(who):
    """SIGTERM to the process or to its group, the workers too, is one line, also at exit."""
    run = subprocess.Popen(
        [sys.executable, '-c', STOPPED], cwd=ROOT, text=True, start_new_session=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        env=dict(os.environ, PYTHONPATH=str(ROOT), MMWSSS_DEBUG=''))
    assert run.stdout.readline() == 'ready\n'
    (os.killpg if who == 'group' else os.kill)(run.pid, signal.SIGTERM)
    _, text = run.communicate(timeout=100)
    assert run.returncode == 143, text
    assert text.startswith('stopped by SIGTERM') and len(text.splitlines()) == 1


def test_workers_that_were_stopped_first(capsys, monkeypatch):
    monkeypatch.delenv('MMWSSS_DEBUG', raising=False)
    for kind, status in (('Terminated', 143), ('Killed', 2)):
        with pytest.raises(SystemExit) as end, friendly_errors():
            raise RuntimeError(f'DataLoader worker (pid 7) is killed by signal: {kind}. ')
        assert end.value.code == status
        assert capsys.readouterr().err.startswith('stopped by SIGTERM') == (status == 143)


@pytest.mark.parametrize(('where', 'raised', 'shown'), [
    ('thread', EOFError, False), ('thread', ConnectionResetError, False),
    ('thread', ValueError, True), ('main', EOFError, True)])
def test_a_forked_worker_whose_reader_ended_is_quiet(capfd, where, raised, shown):
    """As multiprocessing's resource_sharer does it, in a thread of the worker."""
    def fail():
        try:
            raise raised
        except raised:
            sys.excepthook(*sys.exc_info())

    before = sys.excepthook
    with friendly_errors():
        child = os.fork()
        if not child:
            thread = threading.Thread(target=fail)
            thread.start() if where == 'thread' else fail()
            thread.join() if where == 'thread' else None
            sys.stderr.flush()
            os._exit(0)
        os.waitpid(child, 0)
    assert sys.excepthook is before
    assert (raised.__name__ in capfd.readouterr().err) == shown


def test_a_forked_worker_dies_of_sigterm_as_ever():
    with friendly_errors():
        out, into = os.pipe()
        child = os.fork()
        if not child:
            os.write(into, b'ready')
            time.sleep(60)
            os._exit(0)
        os.read(out, 5)
        os.kill(child, signal.SIGTERM)
        assert os.WTERMSIG(os.waitpid(child, 0)[1]) == signal.SIGTERM
    assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL
