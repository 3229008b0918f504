"""A terminal that one can read; the log file has everything."""

import logging
import os
import re
import time
from typing import Any

# What only the file gets: environment, config, hooks, one line for each parameter.
_FILE_ONLY = re.compile(
    r'\s*(-{20,}|Config:|Hooks will be executed|Distributed training is not used|paramwise_options|'
    r'Checkpoints will be saved to|Exp name:|Loads checkpoint by|load checkpoint from|Saving check|'
    r'resumed epoch:|The prefix is not set|"FileClient"|"HardDiskBackend"|Failed to search regis|'
    r'Auto resumed|Load checkpoint from|\S+ is skipped since its requires_grad|'
    r'.*- mmengine\.|Initialized by user-defined|[\w.]+ - torch\.Size|Name of parameter)')
_STEP = re.compile(r'\s*(Epoch|Iter)\((train|val|test)\)\s*((?:\[[^\]]*\])+)(.*)', re.S)
_PAIR = re.compile(r'([\w/.@-]+): +([\w.:+-]+|\d+ days?, [\d:]+)')
_HIDDEN = ('base_lr', 'lr', 'time', 'data_time', 'memory', 'grad_norm', 'eta')
SECONDS = 5.  # between two lines of a training


class CompactConsole(logging.Filter):
    """Drops what belongs in the file and shortens the lines of a training.

    Args:
        runner: Whose training it is, for the number of epochs.
    """

    def __init__(self, runner: Any = None):
        super().__init__()
        self.runner = runner
        self.shown, self.scores = -SECONDS, ''

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether the terminal shows a record."""
        return self.text(record) is not None

    def text(self, record: logging.LogRecord) -> str | None:
        """What the terminal shows of a record; None: nothing."""
        message = record.getMessage()
        if record.levelno >= logging.ERROR:
            return message
        if _FILE_ONLY.match(message):
            return None
        step = _STEP.match(message)
        if step is None:
            return message
        if not hasattr(record, 'compact'):  # asked twice, by filter and formatter
            record.compact = self._step(*step.groups())
        return record.compact

    def _step(self, unit: str, mode: str, place: str, rest: str) -> str | None:
        values = dict(_PAIR.findall(rest))
        numbers = [int(x) for x in re.findall(r'\d+', place)]
        if mode != 'train':
            scores = {k: v for k, v in values.items() if k not in _HIDDEN}
            if not scores or 'eta' in values:
                return None
            chosen = [f'{k.split("/")[-1]} {v}' for k, v in scores.items()
                      if k.split('/')[-1] in ('mAP', 'mIoU', 'mIoU@oracle')]
            self.scores = ', '.join(chosen) or self.scores
            return f'{mode}: ' + ', '.join(f'{k} {v}' for k, v in list(scores.items())[:8])
        last = numbers[-2:] == numbers[-1:] * 2 or (
            len(numbers) == 2 and numbers[0] == numbers[1])
        now = time.monotonic()
        if now - self.shown < SECONDS and not (last and values.get('eta') == '0:00:00'):
            return None
        self.shown = now
        total = getattr(self.runner, 'max_epochs', None)
        done = (f'epoch {numbers[0]}{f" of {total}" if total else ""}, '
                f'step {numbers[1]} of {numbers[2]}' if len(numbers) == 3
                else f'step {numbers[0]} of {numbers[-1]}')
        losses = ', '.join(f'{k} {float(v):.3g}' for k, v in values.items()
                           if k not in _HIDDEN and re.fullmatch(r'[\d.eE+-]+', v))
        parts = [done, f'{values["eta"]} left' if 'eta' in values else '', losses, self.scores]
        return '  '.join(part for part in parts if part)


class _Formatter(logging.Formatter):

    def __init__(self, console: CompactConsole):
        super().__init__('%(asctime)s %(message)s', '%H:%M:%S')
        self.console = console

    def format(self, record: logging.LogRecord) -> str:
        level = '' if record.levelno < logging.WARNING else f'{record.levelname}: '
        return f'{self.formatTime(record, self.datefmt)} {level}{self.console.text(record)}'


def compact(logger: logging.Logger, runner: Any = None) -> None:
    """Make what a logger writes to the terminal compact, unless ``MMWSSS_VERBOSE=1``."""
    if os.environ.get('MMWSSS_VERBOSE') == '1':
        return
    for handler in logger.handlers:
        if type(handler) is logging.StreamHandler:
            for old in [x for x in handler.filters if isinstance(x, CompactConsole)]:
                handler.removeFilter(old)
            console = CompactConsole(runner)
            handler.addFilter(console)
            handler.setFormatter(_Formatter(console))
