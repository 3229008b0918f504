"""What the benchmarks share: an alternating timer, rows of the table, a peak of memory."""

import argparse
import json
import resource
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path

import mmwsss  # noqa: F401 - first, since it prepares the import of mmengine

# isort: split
import torch

from mmwsss.utils.memory import machine

torch.set_num_threads(1)  # so that CPU time is the time of the work
ROOT = Path(__file__).parents[2]


@dataclass
class Row:
    """A line of the table: what was measured, the straightforward version and ours.

    ``ratio`` is theirs over ours; above 1, ours is faster (or smaller).
    """

    what: str
    public: float | None
    ours: float
    unit: str = 's'
    note: str = ''

    @property
    def ratio(self) -> float | None:
        return None if self.public is None else self.public / self.ours

    def cells(self) -> tuple[str, ...]:
        """The columns of the table."""
        return (self.what, *('–' if value is None else f'{value:,.4g} {self.unit}'
                             for value in (self.public, self.ours)),
                '–' if self.ratio is None else f'{self.ratio:.2f}', self.note)


def clock(device: torch.device | str = 'cpu') -> float:
    """Seconds: of this process's CPU time on a CPU, so that other programs do not count (with one
    thread); of the wall on a GPU, which is waited for."""
    if torch.device(device).type == 'cpu':
        return time.process_time()
    torch.cuda.synchronize(device)
    return time.perf_counter()


def alternate(versions: dict[str, Callable], repeats: int = 3, device: torch.device | str = 'cpu',
              warmup: int = 1) -> dict[str, float]:
    """The fastest run of each version in seconds; they take turns, so that a change of the
    machine's load meets all of them."""
    times: dict[str, list[float]] = {name: [] for name in versions}
    for index in range(warmup + repeats):
        for name, run in versions.items():
            begin = clock(device)
            run()
            if index >= warmup:
                times[name].append(clock(device) - begin)
    return {name: min(some) for name, some in times.items()}


def peak_mb() -> float:
    """Largest memory of this process so far, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def check_equal(one: torch.Tensor, other: torch.Tensor, tolerance: float, what: str) -> None:
    """Raises:
        AssertionError: Two versions differ.
    """
    difference = (one - other).abs().max().item()
    if not difference <= tolerance:
        raise AssertionError(f'{what}: the versions differ by {difference:g}')


def machine_line() -> str:
    """Date, machine and versions in a line."""
    found = machine()
    cpu, gpu = found.pop('cpu'), found.pop('gpu', 'no GPU')
    versions = ', '.join(f'{name} {version}' for name, version in found.items())
    return (f'{date.today()}, {cpu}, {gpu}, {torch.get_num_threads()} thread(s) per process; '
            f'{versions}')


def make_parser(doc: str) -> argparse.ArgumentParser:
    """A parser with ``--full`` and ``--json FILE``."""
    parser = argparse.ArgumentParser(
        description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--full', action='store_true', help='sizes of the papers; minutes')
    parser.add_argument('--json', help='also write the rows to this file')
    return parser


def markdown(rows: Sequence[Row]) -> str:
    """The rows as a Markdown table."""
    lines = ['| measured | straightforward | ours | ratio | |', '|---|---|---|---|---|']
    lines += [f'| {" | ".join(row.cells())} |' for row in rows]
    return '\n'.join(lines)


def report(rows: Sequence[Row], file: str | None = None) -> None:
    """Print rows, and :func:`save` them."""
    for row in rows:
        what, public, ours, ratio, note = row.cells()
        print(f'{what:58} {public:>12} {ours:>12} {ratio:>7}  {note}', flush=True)
    save(rows, file)


def save(rows: Sequence[Row], file: str | None) -> None:
    """Write rows for ``run_all.py``."""
    if file:
        Path(file).write_text(json.dumps([asdict(row) for row in rows]))
