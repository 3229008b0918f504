"""tools/soak.py: what it counts as equal, and a dozen kills."""

import importlib.util
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

TOOL = Path(__file__).parents[2] / 'tools/soak.py'
spec = importlib.util.spec_from_file_location('soak', TOOL)
soak = importlib.util.module_from_spec(spec)
spec.loader.exec_module(soak)

DIES = '''
import sys
from mmwsss.utils.io import atomic_write, remove
for name in ('a', 'b'):
    with atomic_write(f'{sys.argv[1]}/{name}') as file:
        file.write(name)
remove(f'{sys.argv[1]}/a')
'''


@pytest.mark.slow
@pytest.mark.parametrize(('at', 'left'), [
    (1, []), (2, ['a']), (3, ['a', 'b']), (4, ['b']), ('', ['b'])])
def test_the_process_dies_before_the_nth_operation(tmp_path, at, left):
    done = subprocess.run(
        [sys.executable, '-c', DIES, str(tmp_path)],
        env=dict(os.environ, MMWSSS_KILL_AT=str(at), PYTHONPATH=str(TOOL.parents[1])))
    assert done.returncode == (-signal.SIGKILL if at in (1, 2, 3) else 0)
    assert sorted(p.name for p in tmp_path.iterdir() if p.name[0] != '.') == left
    assert len(list(tmp_path.glob('.*'))) == (at in (1, 2))  # the file that got no name


def test_differences_are_found(tmp_path):
    (tmp_path / 'mask').mkdir()
    (tmp_path / 'mask' / 'a.png').write_bytes(b'1')
    (tmp_path / 'mask' / 'done.json').write_text(
        json.dumps(dict(fingerprint='x', seconds=1, result={})))
    whole = soak.contents(tmp_path)
    (tmp_path / 'mask' / 'done.json').write_text(
        json.dumps(dict(fingerprint='x', seconds=2, result={})))
    soak.compare(whole, soak.contents(tmp_path), 'run')
    for change in (lambda path: path.write_bytes(b'2'), lambda path: path.unlink()):
        change(tmp_path / 'mask' / 'a.png')
        with pytest.raises(AssertionError, match=r'run: .*a\.png.* differ'):
            soak.compare(whole, soak.contents(tmp_path), 'run')
    for name in ('.lock', '.a.png.abcd1234'):
        (tmp_path / name).touch()
        with pytest.raises(AssertionError, match='left over'):
            soak.contents(tmp_path)
        (tmp_path / name).unlink()


@pytest.mark.slow
def test_a_dozen_kills(tmp_path):
    done = subprocess.run(
        [sys.executable, '-W', 'ignore', str(TOOL), '--kills', '12', '--lives', '3',
         '--work-dir', str(tmp_path)], capture_output=True, text=True, timeout=1200,
        env=dict(os.environ, PYTHONPATH=str(TOOL.parents[1]), OMP_NUM_THREADS='1'))
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-2000:]
    last = done.stdout.splitlines()[-1]
    assert last.startswith('12 kills in') and "'two': 0" not in last


@pytest.mark.slow
def test_ctrl_c_and_sigterm_within_any_stage(tmp_path):
    done = subprocess.run(
        [sys.executable, '-W', 'ignore', str(TOOL), '--kills', '6', '--lives', '6', '--kinds',
         'segment', '--signals', 'INT', 'TERM', '--work-dir', str(tmp_path)],
        capture_output=True, text=True, timeout=1200,
        env=dict(os.environ, PYTHONPATH=str(TOOL.parents[1]), OMP_NUM_THREADS='1'))
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-2000:]
