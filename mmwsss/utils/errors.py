"""One line for a mistake in a config or a file, in place of a traceback."""

import atexit
import difflib
import errno
import inspect
import linecache
import os
import re
import signal
import sys
import threading
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import TracebackType

    from mmengine.registry import Registry

_PACKAGE = str(Path(__file__).parents[1])
_KILLED = ('a data worker was killed, most often by the system because memory ran out; lower '
           'num_workers, the batch size or the size of the images')
_MEMORY = 'memory ran out; lower the batch size, the size of the images or num_workers'
# What breaks in the main process when a worker is killed.
_BROKEN = (ConnectionError, EOFError)
_WORKERS = ('multiprocessing', os.path.join('torch', 'utils', 'data'))


def _registries() -> 'list[Registry]':
    from .option_types import registries  # which imports mmengine
    return registries()


def did_you_mean(name: str, names: list[str]) -> str:
    """The end of a message that proposes the nearest names; empty if none is near."""
    near = difflib.get_close_matches(name, names, n=3)
    return f'; did you mean {" or ".join(near)}?' if near else ''


def constructor_options(cls: type) -> list[str]:
    """Names of the options of a class, those that it hands on to its parents by ``**kwargs``
    included."""
    options: list[str] = []
    for parent in cls.__mro__:
        if '__init__' not in vars(parent) or parent is object:
            continue
        parameters = list(inspect.signature(parent.__init__).parameters.values())[1:]
        options += [p.name for p in parameters
                    if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)]
        if not any(p.kind == p.VAR_KEYWORD for p in parameters):
            break
    return list(dict.fromkeys(options))


def _component(error: TypeError, name: str) -> tuple[str, list[str]]:
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


def _frames(error: BaseException) -> list:
    return traceback.extract_tb(error.__traceback__)


def _is_raised_here(error: BaseException) -> bool:
    """Whether a ``raise`` in mmwsss made the error, so that its text is meant for the user."""
    last = ([None] + _frames(error))[-1]
    return last is not None and last.filename.startswith(_PACKAGE) and (
        linecache.getline(last.filename, last.lineno).lstrip().startswith('raise '))


def _of_system(error: OSError) -> str:
    """A full disk, a folder that cannot be written, and the like."""
    file = f'"{error.filename}"' if error.filename else 'a file'
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return (f'no space is left on the disk for {file}; free some, then the same command (with '
                '--resume, where it has that) resumes. Nothing is half written')
    if error.errno in (errno.EROFS, errno.EACCES, errno.EPERM):
        return (f'{file} cannot be read or written ({error.strerror}); fix its permissions, or '
                'choose another folder')
    return f'{file}: {error.strerror}'


def _of_machine(error: BaseException, text: str) -> str | None:
    """Killed workers, memory, the other processes of a run."""
    if isinstance(error, _BROKEN) and any(
            part in frame.filename for frame in _frames(error) for part in _WORKERS):
        return _KILLED
    if isinstance(error, MemoryError):
        return _MEMORY
    if isinstance(error, RuntimeError):
        if 'DataLoader worker' in text and ('exited unexpectedly' in text or 'killed' in text):
            return _KILLED + ('; or give the container more shared memory (--shm-size)'
                              if 'shared memory' in text else '')
        if 'out of memory' in text or "can't allocate memory" in text:
            return _MEMORY
        if 'Connection closed by peer' in text or 'Connection reset by peer' in text:
            return 'another process of the run has ended; its own message says why'
    return None


def _of_constructor(error: BaseException, text: str) -> str | None:
    """What broke while a component was built from its config, most often a value of a wrong type.
    """
    frame, built = error.__traceback__, None
    while frame is not None:
        if frame.tb_frame.f_code.co_name == 'build_from_cfg':
            built = frame.tb_frame.f_locals
        frame = frame.tb_next
    if built is None or not inspect.isclass(built.get('obj_cls')):
        return None
    options = {key: value for key, value in built.get('args', {}).items()
               if isinstance(value, (str, int, float, list, tuple, type(None)))}
    shown = ', '.join(f'{key}={value!r}'[:60] for key, value in options.items())
    return (f'{built["obj_cls"].__name__} cannot be built with {shown or "its options"}: '
            f'{text.splitlines()[0] if text else "wrong type"} ({type(error).__name__})')


def _of_channels(error: BaseException, wanted: str, got: str) -> str | None:
    """A layer whose input has other channels, by the network part that it is in."""
    frame, owner = error.__traceback__, None
    while frame is not None:
        part = frame.tb_frame.f_locals.get('self')
        if hasattr(part, 'forward') and not type(part).__module__.startswith('torch.'):
            owner = type(part).__name__
        frame = frame.tb_next
    return owner and (f'{owner} has a layer for {wanted} channels, but its input has {got}: set '
                      'its in_channels to what the part before it gives')


def explain(error: BaseException) -> str | None:
    """One line that says what is wrong, or None where the error is no mistake of the user.

    A wrong or missing key of a component, an unknown component, every error that mmwsss raises
    itself (ValueError, KeyError with a sentence, missing files and packages, losses that are no
    numbers), and what the machine does (full disks, killed workers, memory) are explained.
    """
    text = str(error.args[0]) if isinstance(error, KeyError) and error.args else str(error)
    if 'Original Traceback' in text:  # of a data worker
        text = text.strip().rsplit('\n', 1)[-1].split(': ', 1)[-1].strip('\'"')
    text = text.strip()
    machine = _of_machine(error, text)
    if machine:
        return machine
    if isinstance(error, TypeError):
        match = re.search(r"([\w.]+)\(\) got an unexpected keyword argument '(\w+)'", text)
        if match:
            key = match[2]
            component, options = _component(error, match[1].replace('.__init__', ''))
            known = f'; its options are {", ".join(options)}' if options else ''
            return f'{component} has no option "{key}"{did_you_mean(key, options) or known}'
        match = re.search(r'([\w.]+)\(\) missing \d+ required .* arguments?: (.*)', text)
        if match:
            return f'{match[1].replace(".__init__", "")} lacks the option {match[2]}'
        foreign = 'cannot inherit from base|cfg should be a dict'
        if _is_raised_here(error) or re.search(foreign, text):
            return text
    if isinstance(error, KeyError):
        match = re.search(r'(\S+) is not in the (?:\w*::)?(.+?) registry', text)
        if match:
            names = [name for registry in _registries() if registry.name == match[2]
                     for one in (registry, registry.parent) if one is not None
                     for name in one.module_dict]
            return (f'there is no {match[2]} "{match[1]}"{did_you_mean(match[1], names)} (one of '
                    'your own must be imported through custom_imports)')
        if text == 'gt_sem_seg':  # of mmseg's metrics
            return ('the images have no masks, so no metric can score them: set mask_dir or '
                    'seg_dir of the data set, or take val_evaluator and test_evaluator out '
                    '(tools/make_submission.py predicts without)')
        if ' ' in text:
            return ' '.join(text.split())
    if isinstance(error, SyntaxError) and error.filename:
        return (f'config "{error.filename}", line {error.lineno}: {error.msg}'
                f'{f" ({error.text.strip()})" if error.text else ""}')
    if isinstance(error, FileNotFoundError) and error.filename:
        return f'"{error.filename}" does not exist'
    if isinstance(error, OSError) and error.errno and error.strerror:
        return _of_system(error)
    if isinstance(error, RuntimeError):
        channels = re.search(r'to have (\d+) channels, but got (\d+) channels', text)
        if channels:
            return _of_channels(error, *channels.groups())
        if _is_raised_here(error):
            return text
    if isinstance(error, (ValueError, OSError, ImportError, FloatingPointError)):
        return text or type(error).__name__
    return _of_constructor(error, text) if isinstance(error, Exception) else None


class Terminated(BaseException):
    """SIGTERM came."""


def _ignore_workers() -> None:
    """No news of dead children: torch's handler of SIGCHLD raises for each killed loader worker,
    also while the program already ends."""
    if threading.current_thread() is threading.main_thread() and hasattr(signal, 'SIGCHLD'):
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)


def _raise_terminated(*_) -> None:
    _ignore_workers()
    raise Terminated


@contextmanager
def _sigterm_raises() -> Iterator[None]:
    """SIGTERM ends the block like Ctrl-C does, so that what is being written is cleared away."""
    if (threading.current_thread() is not threading.main_thread()
            or signal.getsignal(signal.SIGTERM) != signal.SIG_DFL):
        yield
        return
    signal.signal(signal.SIGTERM, _raise_terminated)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


def _default_sigterm() -> None:
    if signal.getsignal(signal.SIGTERM) is _raise_terminated:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


if hasattr(os, 'register_at_fork'):  # forked workers die of it as they always do
    os.register_at_fork(after_in_child=_default_sigterm)


def _interruption(error: BaseException | None) -> BaseException | None:
    """Ctrl-C or SIGTERM, also where another error came out of it, as torch's does within a save;
    or where a loader's worker, which the SIGTERM of a process group stops too, was seen first."""
    while error is not None and not isinstance(error, (KeyboardInterrupt, Terminated)):
        if 'is killed by signal: Terminated' in str(error):
            return Terminated()
        error = error.__cause__ or error.__context__
    return error


def _end(line: str, status: int) -> None:
    _ignore_workers()
    print(line, file=sys.stderr, flush=True)
    # Loaders whose workers were killed complain once more when they are deleted at exit.
    atexit.register(setattr, sys, 'unraisablehook', lambda _: None)
    sys.exit(status)


@contextmanager
def _quiet_sharers() -> Iterator[None]:
    """A loader worker hands its tensors over by a thread of multiprocessing, which shows a
    traceback if the other process ends meanwhile; workers that are forked in here do not."""
    main, shown = os.getpid(), sys.excepthook

    def show(kind: type[BaseException], error: BaseException,
             trace: 'TracebackType | None') -> None:
        own = threading.current_thread() is threading.main_thread()
        if os.getpid() == main or own or not issubclass(kind, (EOFError, OSError)):
            shown(kind, error, trace)

    sys.excepthook = show
    try:
        yield
    finally:
        if os.getpid() == main:
            sys.excepthook = shown


@contextmanager
def friendly_errors() -> Iterator[None]:
    """End the program with one line for a mistake of the user or a fault of the machine (status 2),
    for Ctrl-C (130) and for SIGTERM (143).

    Other errors keep their traceback, and so do all with ``MMWSSS_DEBUG=1``.
    """
    try:
        with _sigterm_raises(), _quiet_sharers():
            yield
    except (Exception, KeyboardInterrupt, Terminated) as error:
        _ignore_workers()  # one dead worker may be told of twice
        if os.environ.get('MMWSSS_DEBUG'):
            raise
        stopped = _interruption(error)
        if stopped is not None:
            by, status = ('Ctrl-C', 130) if isinstance(stopped, KeyboardInterrupt) else (
                'SIGTERM', 143)
            _end(f'stopped by {by}; nothing is half written, and the same command (with --resume, '
                 'where it has that) resumes', status)
        message = explain(error)
        if message is None:
            raise
        _end(f'error: {message}\n(MMWSSS_DEBUG=1 shows where it came from)', 2)
