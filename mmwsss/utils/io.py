"""Files that are either whole or absent."""

import hashlib
import json
import os
import signal
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

_operations = 0


def kill_point() -> None:
    """Called before every rename and removal: counts them, and with ``MMWSSS_KILL_AT=n`` in the
    environment kills the process before its ``n``-th (``tools/soak.py``)."""
    global _operations
    _operations += 1
    if os.environ.get('MMWSSS_KILL_AT') == str(_operations):
        os.kill(os.getpid(), signal.SIGKILL)


@contextmanager
def atomic_write(path: str | Path, mode: str = 'w', flush: bool = True) -> Iterator[IO]:
    """Open a temporary file beside ``path`` that takes its name only when the block succeeds.

    Args:
        path: Final file name; missing folders are made.
        mode: ``'w'`` (UTF-8 text) or ``'wb'``.
        flush: Wait until the disk has it, so that not even a loss of power cuts it. For one of
            thousands of files (CAMs, masks) that is most of the time of writing; these are counted
            and measured before they are used.

    Yields:
        The open temporary file. If the block raises, it is removed and ``path`` stays as it was.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f'.{path.name}.')
    try:
        with os.fdopen(descriptor, mode, encoding=None if 'b' in mode else 'utf-8') as file:
            yield file
            if flush:
                file.flush()
                os.fsync(file.fileno())
        # mkstemp makes private files; artefacts are shared like any other file.
        umask = os.umask(0)
        os.umask(umask)
        os.chmod(temporary, 0o666 & ~umask)
        kill_point()
        os.replace(temporary, path)
    except BaseException as error:
        if os.path.exists(temporary):
            os.unlink(temporary)
        if isinstance(error, OSError) and error.errno and error.filename in (None, temporary):
            error.filename = str(path)  # a full disk does not say which file
        raise


def remove(path: str | Path) -> None:
    """Remove a file, or a folder with all in it; one that is not there is no error."""
    path = Path(path)
    if path.is_dir() and not path.is_symlink():
        for child in path.iterdir():
            remove(child)
        kill_point()
        path.rmdir()
    else:
        kill_point()
        path.unlink(missing_ok=True)


def sweep_temporaries(folder: str | Path, pattern: str) -> None:
    """Remove what :func:`atomic_write` left behind when it was killed.

    Args:
        folder: Where; nobody else may be writing there.
        pattern: Names of the files that were to be written, as in ``glob``.
    """
    for path in Path(folder).glob(f'.{pattern}.????????'):
        remove(path)


def file_digest(path: str | Path) -> str:
    """SHA-256 of a file."""
    checksum = hashlib.sha256()
    with open(path, 'rb') as file:
        while block := file.read(1 << 20):
            checksum.update(block)
    return checksum.hexdigest()


def digest(value: Any) -> str:
    """Short checksum of a JSON-like value; the order of keys does not count."""
    text = json.dumps(value, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def read_text(path: str | Path) -> str:
    """Text of a list or table.

    Raises:
        ValueError: It is not UTF-8.
    """
    try:
        return Path(path).read_text(encoding='utf-8-sig')
    except UnicodeDecodeError as error:
        raise ValueError(f'"{path}" is not a text file in UTF-8 ({error})') from None
