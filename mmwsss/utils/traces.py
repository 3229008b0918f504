"""Where an error came from: the code of mmwsss, of another package, or of the user's plugins."""

import os
import re
import sysconfig
import traceback
from pathlib import Path
from typing import NamedTuple

from .shipped import HOME

_OWN = tuple(os.path.join(folder, '') for folder in (Path(__file__).parents[1], HOME / 'tools'))
_STDLIB = os.path.join(sysconfig.get_paths()['stdlib'], '')
_PACKAGES = {'site-packages', 'dist-packages'}
WORKER = 'Original Traceback'  # in the text of an error that a data worker hands on


def is_plugin(file: str) -> bool:
    """Whether a file of code is the user's: not of mmwsss, Python or an installed package."""
    return not file.startswith(_OWN) and not _is_foreign(file)


def _is_foreign(file: str) -> bool:
    return (not os.path.isabs(file) or file.startswith(_STDLIB)
            or not _PACKAGES.isdisjoint(Path(file).parts))


class Call(NamedTuple):
    """A line of a traceback."""

    file: str
    line: int
    function: str

    @property
    def is_own(self) -> bool:
        """Whether it is in mmwsss or one of its tools."""
        return self.file.startswith(_OWN)

    @property
    def is_foreign(self) -> bool:
        """Whether it is in Python itself or in an installed package, or in no file."""
        return not self.is_own and _is_foreign(self.file)

    def __str__(self) -> str:
        inside = self.file.startswith(os.path.join(os.getcwd(), ''))
        file = os.path.relpath(self.file) if inside else self.file
        return f'in {file}, line {self.line}, in {self.function}'


def calls(error: BaseException) -> list[Call]:
    """The lines of its traceback, the innermost last; of a data worker's error, those there."""
    if WORKER in str(error):
        found = re.findall(r'^ +File "(.+?)", line (\d+), in (.+)$', str(error), re.MULTILINE)
        return [Call(file, int(line), function) for file, line, function in found]
    return [Call(frame.f_code.co_filename, line,
                 getattr(frame.f_code, 'co_qualname', frame.f_code.co_name))  # Python 3.10: short
            for frame, line in traceback.walk_tb(error.__traceback__)]


def plugin_call(error: BaseException) -> Call | None:
    """The line of the user's code (a plugin or a config) that an error came from, also where
    another package raised it for that line; None where mmwsss is nearer to the error."""
    near = next((call for call in reversed(calls(error)) if not call.is_foreign), None)
    return None if near is None or near.is_own else near


def describe(error: BaseException) -> str:
    """Class, text and place of an error; its traceback with ``MMWSSS_DEBUG``."""
    if os.environ.get('MMWSSS_DEBUG'):
        return ''.join(traceback.format_exception(error)).rstrip()
    place = plugin_call(error)
    return f'{type(error).__name__}: {error}{f" ({place})" if place else ""}'
