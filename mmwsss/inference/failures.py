"""Images that fail do not stop the others: ``failed.json`` lists them beside the files."""

from collections.abc import Mapping
from pathlib import Path

from mmwsss.structures.artifacts import write_record
from mmwsss.utils.io import remove

FAILED = 'failed.json'


def write_failed(folder: str | Path, failed: Mapping[str, str]) -> None:
    """Write ``<folder>/failed.json``, message by image id; without any, remove it."""
    path = Path(folder) / FAILED
    write_record(path, failed) if failed else remove(path)


def raise_if_failed(folder: str | Path, failed: Mapping[str, str]) -> None:
    """Raises:
        RuntimeError: An image failed; names some, and the file that lists all.
    """
    if failed:
        name, error = next(iter(failed.items()))
        more = ''.join(f', "{other}"' for other in list(failed)[1:5])
        more += ', ...' if len(failed) > 5 else ''
        raise RuntimeError(
            f'{len(failed)} images failed: "{name}" ({error}){more}. All are listed in '
            f'"{Path(folder) / FAILED}"; fix them and run the same command, which repeats only '
            'those')
