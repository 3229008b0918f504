"""The figures of a table: published, ours, and their difference, in four formats."""

import csv
import logging
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from mmengine.logging import print_log
from rich import box
from rich.console import Console
from rich.table import Table as RichTable

from mmwsss.structures.artifacts import read_record, write_record
from mmwsss.utils import atomic_write

from ..training import log_records
from .runs import Workplace
from .table import TableColumn

UNNAMED = 'images'  # split of a data set without a list
AT = re.compile(r'(.+)@([\d.]+)$')


class Figure(NamedTuple):
    """A cell: the published value and its deviation, and our value for each seed."""

    published: float | None
    published_std: float | None
    values: dict[int, float]

    @property
    def mean(self) -> float | None:
        return float(np.mean(list(self.values.values()))) if self.values else None

    @property
    def std(self) -> float | None:
        """Sample deviation over the seeds; None of a single one."""
        return float(np.std(list(self.values.values()), ddof=1)) if len(self.values) > 1 else None

    @property
    def difference(self) -> float | None:
        return None if self.published is None or not self.values else self.mean - self.published


def measure(pipeline: Any, column: TableColumn) -> float | None:
    """The figure of a column in a pipeline; None where it is not done or not scored."""
    stage = pipeline.stages.get(column.stage)
    if stage is None or not stage.is_done:
        return None
    if column.metric.startswith('log:'):
        return last_logged(stage.folder, column.metric[4:])
    result = stage.result
    if 'split' in result:  # of the segmentation, which tests one split
        result = {result['split']: result}
    split = column.split if column.split in result else UNNAMED
    scores, at = result.get(split, {}), AT.match(column.metric)
    if at and scores:
        curve = read_record(stage.folder / f'seeds_{split}.json')['curve']
        return at_threshold(curve, at[1], float(at[2]))
    if scores and column.metric not in scores:
        known = [key for key, value in scores.items() if isinstance(value, (int, float))]
        print_log(f'column "{column.key}": the stage "{column.stage}" has no "{column.metric}" of '
                  f'"{split}"; it has {known}', logger='current', level=logging.WARNING)
    return scores.get(column.metric)


def last_logged(folder: Path, name: str) -> float | None:
    """The last value of a training's log, by the end of its name; None if it logged none."""
    value = None
    for record in log_records(folder):
        found = [x for key, x in record.items() if key.endswith(name)]
        value = found[-1] if found else value
    return value


def at_threshold(curve: dict, metric: str, threshold: float) -> float:
    """A figure of a seed record's curve.

    Raises:
        ValueError: The curve has no such threshold or metric.
    """
    thresholds = np.asarray(curve['thresholds'])
    index = int(np.abs(thresholds - threshold).argmin())
    if metric not in curve or abs(thresholds[index] - threshold) > 1e-3:
        raise ValueError(f'no {metric}@{threshold:g} in the curve of seeds: it has '
                         f'{sorted(set(curve) - {"thresholds"})} at {thresholds[0]:g} to '
                         f'{thresholds[-1]:g}')
    return curve[metric][index]


def collect(place: Workplace, seeds: Sequence[int]) -> dict[str, dict[str, Figure]]:
    """All that is there, by name of the row and key of the column."""
    cells = {}
    for row in place.rows:
        values: dict[str, dict[int, float]] = {column.key: {} for column in place.columns}
        if place.data in row.configs:
            for seed in seeds:
                for pipeline, columns in place.variants(row, seed):
                    for column in columns:
                        value = measure(pipeline, column)
                        if value is not None:
                            values[column.key][seed] = value
        cells[row.name] = {
            key: Figure(*row.published.get(key, (None, None)), found)
            for key, found in values.items()}
    return cells


# -- formats ---------------------------------------------------------------------------------------
def mean_and_std(mean: float | None, std: float | None) -> str:
    """``43.89 ± 0.40``; a dash where there is nothing."""
    if mean is None:
        return '–'
    return f'{mean:.2f}' if std is None else f'{mean:.2f} ± {std:.2f}'


def header(columns: Sequence[TableColumn]) -> list[str]:
    """Headings: published, ours and difference of each column."""
    return ['row', *(f'{column.title}, {what}' for column in columns
                     for what in ('published', 'ours', 'difference'))]


def lines(place: Workplace, cells: dict[str, dict[str, Figure]]) -> list[list[str]]:
    """The rows as text."""
    return [[name, *(text for column in place.columns for text in (
        mean_and_std(row[column.key].published, row[column.key].published_std),
        mean_and_std(row[column.key].mean, row[column.key].std),
        '–' if row[column.key].difference is None else f'{row[column.key].difference:+.2f}'))]
        for name, row in cells.items()]


def notes(place: Workplace, seeds: Sequence[int]) -> str:
    """What must be known to read the table."""
    parts = [f'Published: {place.table.source}.',
             f'Ours: {place.data}, seeds {", ".join(map(str, seeds))}'
             + (', mean ± standard deviation.' if len(seeds) > 1 else '.')]
    if place.data not in ('voc', 'coco'):
        parts.append('Other images than the paper\'s: compare the order of the rows, not the '
                     'figures.')
    without = [row.name for row in place.rows if place.data not in row.configs]
    if without:
        parts.append(f'No config for {place.data}: {", ".join(without)}.')
    if place.table.note:
        parts.append(place.table.note)
    return ' '.join(parts)


def markdown(place: Workplace, cells: dict, seeds: Sequence[int], command: str) -> str:
    """The table as a page of Markdown."""
    rows = [header(place.columns), ['---'] * (1 + 3 * len(place.columns)), *lines(place, cells)]
    text = '\n'.join('| ' + ' | '.join(row) + ' |' for row in rows)
    return (f'## {place.table.title}\n\n{text}\n\n{notes(place, seeds)}\n\n'
            f'```shell\n{command}\n```\n')


def print_cells(place: Workplace, cells: dict, seeds: Sequence[int],
                console: Console | None = None) -> None:
    """The table on the terminal; columns without any figure are left out."""
    head, rows = header(place.columns), lines(place, cells)
    keep = [i for i in range(len(head)) if i == 0 or any(row[i] != '–' for row in rows)]
    table = RichTable(title=place.table.title, box=box.SIMPLE_HEAD, title_justify='left')
    for i in keep:
        table.add_column(head[i], justify='right' if i else 'left')
    for row in rows:
        table.add_row(*(row[i] for i in keep))
    console = console or Console(width=None if sys.stdout.isatty() else 160)
    console.print(table)
    console.print(f'[dim]{notes(place, seeds)}[/dim]')


def write_cells(place: Workplace, cells: dict, seeds: Sequence[int], command: str) -> None:
    """Write ``table.md``, ``table.csv`` (a line for each cell and seed) and ``table.json``."""
    with atomic_write(place.folder / 'table.md') as file:
        file.write(markdown(place, cells, seeds, command))
    with atomic_write(place.folder / 'table.csv') as file:
        writer = csv.writer(file, lineterminator='\n')
        writer.writerow(['row', 'column', 'published', 'published_std', 'seed', 'ours'])
        writer.writerows(
            [name, key, figure.published, figure.published_std, seed, value]
            for name, row in cells.items() for key, figure in row.items()
            for seed, value in (figure.values or {None: None}).items())
    write_record(place.folder / 'table.json', dict(
        table=place.table.file, title=place.table.title, source=place.table.source,
        data=place.data, seeds=list(seeds), command=command, rows={
            name: {key: dict(published=figure.published, published_std=figure.published_std,
                             values=figure.values, mean=figure.mean, std=figure.std,
                             difference=figure.difference)
                   for key, figure in row.items()} for name, row in cells.items()}))
