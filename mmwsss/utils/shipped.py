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
    shipped = {file.stem: file for file in sorted((HOME / 'configs').glob('[!_]*/*.py'))}
    near = difflib.get_close_matches(Path(path).stem, list(shipped), n=1)
    mend = f'; did you mean {shipped[near[0]].relative_to(HOME)}?' if near else ''
    raise FileNotFoundError(f'no config "{path}", here or among those of mmwsss in '
                            f'"{HOME / "configs"}"{mend}')
