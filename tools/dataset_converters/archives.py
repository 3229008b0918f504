"""Files of a data set, from an archive or a folder, without trusting the archive."""

import gzip
import os
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from mmwsss.utils import atomic_write

# From a name in the source to the path below the output folder, or None if it is not wanted. It
# makes the path itself, so that no name in an archive can lead outside.
Wanted = Callable[[str], str | None]


@contextmanager
def _naming(source: Path) -> Iterator[None]:
    """Say which archive is damaged."""
    try:
        yield
    except (tarfile.TarError, zipfile.BadZipFile, zlib.error, gzip.BadGzipFile, EOFError) as error:
        raise ValueError(f'"{source}" is damaged, or no tar or zip archive ({error}); download it '
                         'again') from None


def read_files(source: str | Path, wanted: Wanted) -> Iterator[tuple[str, Callable]]:
    """All wanted regular files of a source; links and devices are passed over.

    Args:
        source: A folder, or a .tar, .tar.gz, .tgz or .zip file.
        wanted: See above; called with ``/`` as the separator.

    Yields:
        ``(path, read)``; ``read()`` gives the bytes, and must be called before the next one.

    Raises:
        FileNotFoundError: There is no such source.
        ValueError: The archive is damaged, or of another kind.
    """
    source = Path(source).resolve()
    if source.is_dir():
        for folder, folders, files in os.walk(source):
            folders.sort()
            for file in sorted(files):
                path = Path(folder, file)
                target = wanted(path.relative_to(source.parent).as_posix())
                if target is not None:
                    yield target, path.read_bytes
        return
    if not source.is_file():
        raise FileNotFoundError(f'no archive or folder "{source}"')
    with _naming(source):
        is_zip = zipfile.is_zipfile(source)
        with zipfile.ZipFile(source) if is_zip else tarfile.open(source) as archive:
            for member in archive.infolist() if is_zip else archive:
                if is_zip and not member.is_dir():
                    target = wanted(member.filename)
                elif not is_zip and member.isfile():
                    target = wanted(member.name)
                else:
                    continue

                def read(member=member) -> bytes:
                    with _naming(source):
                        if is_zip:
                            return archive.read(member)
                        return archive.extractfile(member).read()

                if target is not None:
                    yield target, read


def copy_files(source: str | Path, wanted: Wanted, out: str | Path) -> int:
    """Copy the wanted files that ``out`` does not have yet, each whole or not at all.

    Returns:
        The number of wanted files in the source.
    """
    count = 0
    for target, read in read_files(source, wanted):
        count += 1
        path = Path(out, target)
        if not path.exists():
            with atomic_write(path, 'wb') as file:
                file.write(read())
    return count
