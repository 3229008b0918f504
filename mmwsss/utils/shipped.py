"""The configs and tools that come with mmwsss: beside the package in a checkout, and in ``.mim``
within the package where it was installed from a wheel."""

import difflib
from pathlib import Path

_PACKAGE = Path(__file__).parents[1]
# Holds the folders "configs" and "tools".
HOME = _PACKAGE / '.mim' if (_PACKAGE / '.mim').is_dir() else _PACKAGE.parent


def find_config(path: str | Path) -> Path:
    """A config file: as its path says, or else the one of this path that comes with mmwsss.

    Raises:
        FileNotFoundError: It is in neither place; names the nearest that comes with mmwsss.
    """
    for place in (Path(path), HOME / path):
        if place.is_file():
            return place
    raise FileNotFoundError(f'no config "{path}", here or {_among_ours(path)}')


def _among_ours(path: str | Path) -> str:
    """The end of a message on a config that is missing: where ours are, and the nearest."""
    shipped = {file.stem: file for file in sorted((HOME / 'configs').glob('[!_]*/*.py'))}
    near = difflib.get_close_matches(Path(path).stem, list(shipped), n=1)
    mend = f'; did you mean {shipped[near[0]].relative_to(HOME)}?' if near else ''
    return f'among those of mmwsss in "{HOME / "configs"}"{mend}'


def find_base(path: str, file: str) -> str | None:
    """The file that ``_base_ = 'mmwsss::demo/cam_shapes.py'`` means; None for other bases.

    Args:
        path: A base.
        file: The config that names it.

    Raises:
        FileNotFoundError: mmwsss has no such config; names the nearest.
    """
    package, mark, path = path.partition('::')
    if not mark or package != 'mmwsss':
        return None
    place = HOME / 'configs' / path
    if not place.is_file():
        raise FileNotFoundError(f'"{file}": no config "{path}" {_among_ours(path)}')
    return str(place)
