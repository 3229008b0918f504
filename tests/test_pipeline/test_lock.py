import json
import os
import subprocess
import sys
import threading
import time

import pytest

from mmwsss.pipeline.lock import NAME, lock


def test_second_run_is_refused_with_host_and_process(tmp_path):
    with lock(tmp_path), pytest.raises(ValueError, match=f'another run.*process {os.getpid()} on'):
        with lock(tmp_path):
            pass
    assert not (tmp_path / NAME).exists()
    with lock(tmp_path):
        pass


def test_lock_of_a_dead_process_is_taken_over(tmp_path):
    with lock(tmp_path):
        record = json.loads((tmp_path / NAME).read_text())
    dead = subprocess.Popen([sys.executable, '-c', ''])
    dead.wait()
    for change in (dict(pid=dead.pid), dict(started='1')):  # ended; and its number used again
        (tmp_path / NAME).write_text(json.dumps({**record, **change}))
        with lock(tmp_path):
            assert json.loads((tmp_path / NAME).read_text())['pid'] == os.getpid()
    (tmp_path / NAME).write_text('{"ho')  # killed while it was written
    with lock(tmp_path):
        pass


def test_lock_of_another_host_is_kept(tmp_path):
    (tmp_path / NAME).write_text(json.dumps(dict(host='elsewhere', pid=1, started='1')))
    with pytest.raises(ValueError, match=r'process 1 on elsewhere.*delete ".*\.lock"'):
        with lock(tmp_path):
            pass


def test_lock_goes_when_the_run_fails(tmp_path):
    with pytest.raises(KeyboardInterrupt), lock(tmp_path):
        raise KeyboardInterrupt
    assert not (tmp_path / NAME).exists()


def test_one_of_many_that_start_at_once_takes_a_stale_lock_over(tmp_path):
    """Each process takes the lock over if it may, and holds it until all have tried."""
    for round in range(10):
        folder = tmp_path / str(round)
        folder.mkdir()
        (folder / NAME).write_text('{"ho')
        start, ends, children = os.pipe(), os.pipe(), []
        for _ in range(6):
            if child := os.fork():
                children.append(child)
                continue
            os.close(start[1])
            os.read(start[0], 1)  # until the parent closes its end
            try:
                with lock(folder):
                    os.write(ends[1], b'1')
                    os.close(ends[1])
                    time.sleep(0.1)
            except ValueError:
                pass
            finally:
                os._exit(0)
        os.close(start[1])
        os.close(ends[1])
        for child in children:
            os.waitpid(child, 0)
        assert os.read(ends[0], 10) == b'1'
        assert not list(folder.iterdir())
        os.close(start[0])
        os.close(ends[0])


def test_waits_for_the_other_run(tmp_path):
    """Until it lets go; nothing but the lock itself is ever in the folder."""
    other = json.dumps(dict(host='elsewhere', pid=1, started='1'))
    (tmp_path / NAME).write_text(other)
    begin = time.monotonic()
    timer = threading.Timer(0.3, (tmp_path / NAME).unlink)
    timer.start()
    with lock(tmp_path, wait=True, poll=0.02):
        assert time.monotonic() - begin >= 0.25
        assert [path.name for path in tmp_path.iterdir()] == [NAME]
    timer.join()
    assert not list(tmp_path.iterdir())
