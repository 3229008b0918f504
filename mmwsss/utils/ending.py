"""A program that was stopped, or met a mistake of the user, ends with one line."""

import atexit
import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from .errors import explain

if TYPE_CHECKING:
    from types import TracebackType


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
