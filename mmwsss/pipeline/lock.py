"""One run at a time in a work dir."""

import fcntl
import json
import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from mmengine.dist import is_main_process
from mmengine.logging import print_log

from mmwsss.utils.io import atomic_write, remove, sweep_temporaries

NAME = '.lock'


def _started(pid: int) -> str | None:
    """When a process of this machine began; None if it does not run."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return None
    except PermissionError:  # of another user
        pass
    try:  # numbers of processes are used again
        return Path(f'/proc/{pid}/stat').read_text().rsplit(')', 1)[1].split()[19]
    except OSError:
        return ''


@contextmanager
def lock(folder: str | Path, wait: bool = False, poll: float = 0.5) -> Iterator[None]:
    """Keep other runs out of a folder while the block runs; the main process holds the lock.

    Args:
        folder: The folder; made if it is not there.
        wait: Wait for the other run to end instead of refusing.
        poll: Seconds between two looks.

    Raises:
        ValueError: Another run works there; names its host and process. The lock of a process
            that no longer runs on this host is taken over.
    """
    if not is_main_process():
        yield
        return
    path = Path(folder) / NAME
    path.parent.mkdir(parents=True, exist_ok=True)
    mine = dict(host=socket.gethostname(), pid=os.getpid(), started=_started(os.getpid()))
    told = False
    while True:
        try:
            with _alone(path.parent):
                _refuse_living(path, mine['host'])
                sweep_temporaries(path.parent, NAME)
                with atomic_write(path) as file:
                    json.dump(mine, file)
            break
        except ValueError as error:
            if not wait:
                raise
            if not told:
                print_log(f'waits: {error}', logger='current')
            told = True
            time.sleep(poll)
    try:
        yield
    finally:
        remove(path)


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """One process at a time looks at the lock and takes it, or two could take over a stale one."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        with suppress(OSError):  # some network file systems cannot
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _refuse_living(path: Path, host: str) -> None:
    if not path.is_file():
        return
    try:
        other = json.loads(path.read_text())
        owner, pid, started = other['host'], int(other['pid']), other['started']
    except (ValueError, KeyError, TypeError):
        owner, pid, started = host, -1, None  # garbled
    if owner == host and (pid < 0 or _started(pid) is None or _started(pid) != started):
        print_log(f'the lock "{path}" is of a run that has ended; taken over', logger='current')
        return
    raise ValueError(
        f'another run works in "{path.parent}": process {pid} on {owner}. Wait for it, stop it, or '
        f'choose another --work-dir; if it no longer runs, delete "{path}"')
