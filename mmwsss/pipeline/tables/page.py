"""The page of a table: figures, curves, images of all rows side by side."""

import csv
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mmwsss.datasets.cooccurrence import frequent_pairs
from mmwsss.evaluation import mask_confusion, pair_rates
from mmwsss.utils import atomic_write
from mmwsss.utils.spread import spread
from mmwsss.visualization import html

from ..compare import compare_section, image_paths, image_scores, split_of, sweep
from ..pipeline import Pipeline
from .result import header, lines, notes
from .runs import Workplace

METRICS = ('mIoU', 'mPrecision', 'mRecall', 'FPR', 'FNR')


def finished(place: Workplace, seed: int, stage: str) -> dict[str, Pipeline]:
    """Of each row the pipeline that has a finished stage, by the row's name."""
    found = {}
    for row in place.runnable:
        for pipeline, _ in place.variants(row, seed):
            if stage in pipeline.stages and pipeline.stages[stage].is_done:
                found[row.name] = pipeline
                break
    return found


def write_page(place: Workplace, cells: dict, seeds: Sequence[int], command: str,
               images: int = 4) -> Path:
    """Write ``index.html``, and the files of the table's analyses, beside the figures.

    Args:
        place: The rows.
        cells: Of :func:`~mmwsss.pipeline.tables.collect`.
        seeds: Of the figures; images and curves are of the first.
        command: What was typed.
        images: Number of images to show.

    Returns:
        Path of the page.
    """
    sections = [('Result', html.table(header(place.columns), lines(place, cells))
                 + f'<p class="note">{notes(place, seeds)}</p>')]
    runs = finished(place, seeds[0], 'cam')
    if runs and next(iter(runs.values())).context.scored:
        for analysis in place.table.analysis:
            sections += PARTS[analysis](place, seeds[0])
    if runs and images:
        context = next(iter(runs.values())).context
        names = [info['name'] for info in context.shown()]
        paths = image_paths(next(iter(runs.values())), spread(names, images))
        sections.append(('Images', compare_section(runs, paths)))
    sections.append(('Command', html.code(command)))
    sections.append(('Rows', html.table(('row', 'config', 'options'), [
        (row.name, row.configs[place.data][0], row.configs[place.data][1] or '')
        for row in place.runnable])))
    with atomic_write(place.folder / 'index.html') as file:
        file.write(html.page(place.table.title, sections, time.strftime('%Y-%m-%d %H:%M')))
    return place.folder / 'index.html'


def _write_csv(path: Path, head: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    with atomic_write(path) as file:
        csv.writer(file, lineterminator='\n').writerows([head, *rows])


def _split(pipeline: Pipeline, place: Workplace) -> str:
    """The split that the table is about."""
    known = [split.name for split in pipeline.context.scored]
    return next((column.split for column in place.columns if column.split in known), known[0])


def sweep_part(place: Workplace, seed: int) -> list[tuple[str, str]]:
    """Curves over the background threshold, and ``sweep.csv``."""
    curves = {name: sweep(pipeline, _split(pipeline, place))
              for name, pipeline in finished(place, seed, 'cam').items()}
    _write_csv(place.folder / 'sweep.csv', ['row', 'threshold', *METRICS], [
        [name, threshold, *(curve[metric][i] for metric in METRICS)]
        for name, curve in curves.items() for i, threshold in enumerate(curve['thresholds'])])
    return [(f'{metric} by background threshold', html.curves(
        {name: (curve['thresholds'], curve[metric]) for name, curve in curves.items()},
        'background threshold', metric)) for metric in METRICS[:3]]


def images_part(place: Workplace, seed: int) -> list[tuple[str, str]]:
    """IoU, precision and recall of every image, without its background, ``images.csv``; the page
    shows what differs most between the first row and the last."""
    keys = ('IoU', 'precision', 'recall')
    scores = {name: image_scores(pipeline, _split(pipeline, place), 'seed')
              for name, pipeline in finished(place, seed, 'cam').items()}
    _write_csv(place.folder / 'images.csv', ['row', 'image', *keys], [
        [name, record['image'], *(record[key] for key in keys)]
        for name, records in scores.items() for record in records])
    first, last = next(iter(scores.values())), list(scores.values())[-1]
    gain = [(b['IoU'] - a['IoU'], i) for i, (a, b) in enumerate(zip(first, last))
            if None not in (a['IoU'], b['IoU'])]
    rows = [(first[i]['image'], *(html.number(records[i][key]) for records in scores.values()
                                  for key in keys)) for _, i in sorted(gain)[::-1][:12]]
    return [('Images that gain most from the first row to the last, foreground classes', html.table(
        ('image', *(f'{name}, {key}' for name in scores for key in keys)), rows))]


def confusion_part(place: Workplace, seed: int) -> list[tuple[str, str]]:
    """Of the classes that share images most often, how many in a hundred pixels of the one have
    the other's id; ``confusion.csv``."""
    runs = finished(place, seed, 'mask')
    if not runs:
        return []
    first = next(iter(runs.values()))
    split = split_of(first, _split(first, place))
    pairs = frequent_pairs(split.dataset.label_matrix(), 10)
    names = ('background', *split.classes)
    rates = {name: pair_rates(mask_confusion(pipeline.stages['mask'].scored_folder, split), pairs)
             for name, pipeline in runs.items()}
    rows = [[f'{names[i]} called {names[j]}', *values]
            for (i, j), *values in zip(pairs, *rates.values())]
    _write_csv(place.folder / 'confusion.csv', ['pair', *rates], rows)
    return [('Confusion of classes that share images, percent of pixels', html.table(
        ('pair', *rates), [[pair, *map(html.number, values)] for pair, *values in rows]))]


PARTS = dict(sweep=sweep_part, images=images_part, confusion=confusion_part)
