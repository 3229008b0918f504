"""One line for a mistake in a config or a file, in place of a traceback."""

import difflib
import inspect
import os
import re
import sys
from contextlib import contextmanager
from typing import Iterator, List, Optional, Tuple

from mmengine.registry import Registry


def _registries() -> List[Registry]:
    from mmwsss import registry
    return [value for value in vars(registry).values() if isinstance(value, Registry)]


def _did_you_mean(name: str, names: List[str]) -> str:
    near = difflib.get_close_matches(name, names, n=3)
    return f'; did you mean {" or ".join(near)}?' if near else ''


def constructor_options(cls: type) -> List[str]:
    """Names of the options of a class, those that it hands on to its parents by ``**kwargs``
    included."""
    options: List[str] = []
    for parent in cls.__mro__:
        if '__init__' not in vars(parent) or parent is object:
            continue
        parameters = list(inspect.signature(parent.__init__).parameters.values())[1:]
        options += [p.name for p in parameters
                    if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)]
        if not any(p.kind == p.VAR_KEYWORD for p in parameters):
            break
    return list(dict.fromkeys(options))


def _component(error: TypeError, name: str) -> Tuple[str, List[str]]:
    """Name and options of the component whose constructor, or a parent's, refused an option."""
    frame = error.__traceback__
    while frame is not None and frame.tb_next is not None:
        frame = frame.tb_next
    cls = type(frame.tb_frame.f_locals.get('self')) if frame is not None else object
    if name not in [parent.__name__ for parent in cls.__mro__]:
        found = [registry.get(name) for registry in _registries()]
        cls = next((one for one in found if one is not None), None)
    if not inspect.isclass(cls):
        return name, []
    return cls.__name__, constructor_options(cls)


def explain(error: BaseException) -> Optional[str]:
    """One line that says what is wrong, or None where the error is no mistake of the user.

    A wrong or missing key of a component, an unknown component, and every error that mmwsss raises
    itself (ValueError, KeyError with a sentence, missing files and packages) are explained.
    """
    text = str(error.args[0]) if isinstance(error, KeyError) and error.args else str(error)
    if 'Original Traceback' in text:  # of a data worker
        text = text.strip().rsplit('\n', 1)[-1].split(': ', 1)[-1].strip('\'"')
    text = text.strip()
    if isinstance(error, TypeError):
        match = re.search(r"([\w.]+)\(\) got an unexpected keyword argument '(\w+)'", text)
        if match:
            key = match[2]
            component, options = _component(error, match[1].replace('.__init__', ''))
            known = f'; its options are {", ".join(options)}' if options else ''
            return f'{component} has no option "{key}"{_did_you_mean(key, options) or known}'
        match = re.search(r'([\w.]+)\(\) missing \d+ required .* arguments?: (.*)', text)
        if match:
            return f'{match[1].replace(".__init__", "")} lacks the option {match[2]}'
        return text if 'cannot inherit from base' in text else None  # of a config file
    if isinstance(error, KeyError):
        match = re.search(r'(\S+) is not in the (?:\w*::)?(.+?) registry', text)
        if match:
            names = [name for registry in _registries() if registry.name == match[2]
                     for name in registry.module_dict]
            return (f'there is no {match[2]} "{match[1]}"{_did_you_mean(match[1], names)} (one of '
                    'your own must be imported through custom_imports)')
        return text if ' ' in text else None
    if isinstance(error, FileNotFoundError) and error.filename:
        return f'"{error.filename}" does not exist'
    if isinstance(error, (ValueError, FileNotFoundError, ImportError)):
        return text or type(error).__name__
    return None


@contextmanager
def friendly_errors() -> Iterator[None]:
    """End the program with status 2 and one line for a mistake of the user.

    Other errors keep their traceback, and so do all with ``MMWSSS_DEBUG=1``.
    """
    try:
        yield
    except Exception as error:
        message = explain(error)
        if message is None or os.environ.get('MMWSSS_DEBUG'):
            raise
        print(f'error: {message}\n(MMWSSS_DEBUG=1 shows where it came from)', file=sys.stderr,
              flush=True)
        sys.exit(2)
