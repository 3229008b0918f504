import mmap
import os
import subprocess
import sys
import time

import numpy as np
import pytest

from mmwsss.utils.memory import PeakMemory, machine, resident_memory

pytestmark = pytest.mark.skipif(not os.path.isdir('/proc/self'), reason='no /proc')


def test_peak_is_seen_although_it_is_over():
    before = resident_memory()
    with PeakMemory(interval=0.02) as peak:
        block = mmap.mmap(-1, 100 * 2**20)  # malloc may have that much lying free
        np.frombuffer(block, np.uint8)[:] = 1
        time.sleep(0.2)
        block.close()
    assert before + 80 < peak.record()['rss'] < before + 200
    assert resident_memory() < before + 60


def test_workers_count():
    code = 'block = bytearray(b"x") * (100 * 2**20); print(flush=True); input()'
    before = resident_memory()
    with subprocess.Popen([sys.executable, '-S', '-c', code], stdin=subprocess.PIPE,
                          stdout=subprocess.PIPE) as worker:
        worker.stdout.readline()
        during = resident_memory()
        worker.communicate(b'\n')
    assert before + 80 < during < before + 200


def test_peak_is_recorded_after_an_error():
    peak = PeakMemory()
    with pytest.raises(ZeroDivisionError), peak:
        1 / 0  # noqa: B018
    assert peak.record()['rss'] > 0 and not peak._thread.is_alive()


def test_machine_names_versions_and_no_host():
    import platform

    import torch
    found = machine()
    assert found['torch'] == torch.__version__ and found['python'] == platform.python_version()
    assert 'cores' in found['cpu'] and platform.node() not in found.values()
