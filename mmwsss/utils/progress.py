"""A progress bar with the time left, or a line now and then where there is no terminal."""

import time
from collections.abc import Iterable, Iterator
from typing import Any

from mmengine.dist import is_main_process
from mmengine.logging import print_log
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)


def duration(seconds: float) -> str:
    """``75.2`` to ``1:15``."""
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f'{hours}:{minutes:02d}:{seconds:02d}' if hours else f'{minutes}:{seconds:02d}'


def track(items: Iterable[Any],
          text: str,
          total: int | None = None,
          steps: Iterable[int] | None = None,
          every: float = 15.,
          least: int = 0) -> Iterator[Any]:
    """Yield the items and show how far one is, on the main process only.

    Args:
        items: What to go through.
        text: Name of the work.
        total: Units in all; by default the number of items.
        steps: Units that each item counts for; by default 1.
        every: Seconds between two lines where the output is no terminal.
        least: Show nothing for fewer units in all, which take no time.
    """
    total = len(items) if total is None else total
    steps = iter(steps) if steps is not None else None
    if not is_main_process() or total < least:
        yield from items
        return
    console = Console()
    if console.is_terminal:
        columns = (TextColumn('{task.description}'), BarColumn(), MofNCompleteColumn(),
                   TimeElapsedColumn(), TextColumn('left'), TimeRemainingColumn())
        with Progress(*columns, console=console) as progress:
            task = progress.add_task(text, total=total)
            for item in items:
                yield item
                progress.advance(task, next(steps) if steps else 1)
        return
    begin = shown = time.monotonic()
    done = 0
    for item in items:
        yield item
        done += next(steps) if steps else 1
        now = time.monotonic()
        if now - shown >= every and done < total:
            shown = now
            left = duration((now - begin) / done * (total - done))
            print_log(f'{text}: {done} of {total}, {left} left', logger='current')
    print_log(f'{text}: {done} of {total} in {duration(time.monotonic() - begin)}',
              logger='current')
