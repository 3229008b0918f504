"""What a pipeline ends with: the table on the console and the HTML page."""

import io
import shlex
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import mmcv
import numpy as np
from PIL import Image
from rich import box
from rich.console import Console
from rich.table import Table

from mmwsss.structures.artifacts import write_record
from mmwsss.utils import atomic_write
from mmwsss.visualization import draw_grid, html, overlay_mask

from .pipeline import Pipeline
from .stage import Column

UNSCORED = 'no ground truth'


def columns_of(pipeline: Pipeline) -> list[Column]:
    """Columns of the table: those of the stages of the method and its baseline, each once."""
    columns = {column.key: column for method in reversed(pipeline.methods)
               for stage in method.stages.values() for column in stage.columns}
    return list(columns.values())


def figures_of(pipeline: Pipeline) -> dict[str, dict]:
    """The figures of the finished stages by split; absent ones are None."""
    found: dict[str, dict] = {split.name: {} for split in pipeline.context.scored}
    for stage in pipeline.stages.values():
        if stage.is_done:
            for split, figures in stage.figures(pipeline.context).items():
                found.setdefault(split, {}).update(figures)
    keys = [column.key for column in columns_of(pipeline)]
    return {split: {key: figures.get(key) for key in keys}
            for split, figures in (found or {UNSCORED: {}}).items()}


def header_of(pipeline: Pipeline) -> list[str]:
    """Headings of the table."""
    return ['method', 'split', *(column.title for column in columns_of(pipeline))]


def rows_of(pipeline: Pipeline) -> list[list[str]]:
    """Rows of the table, the baseline first."""
    columns = columns_of(pipeline)
    return [[method.name, split,
             *(html.number(figures.get(column.key), column.digits) for column in columns)]
            for method in pipeline.methods for split, figures in figures_of(method).items()]


def _print(title: str, header: Sequence[str], rows: Sequence[Sequence[str]], ours: str,
           console: Console | None, note: str = '') -> None:
    table = Table(title=title, box=box.SIMPLE_HEAD, title_justify='left')
    for i, column in enumerate(header):
        table.add_column(column, justify='left' if i < 2 else 'right')
    for row in rows:
        table.add_row(*row, style='bold' if row[0] == ours else '')
    console = console or Console(width=None if sys.stdout.isatty() else 130)
    console.print(table)
    if note:
        console.print(f'[dim]{note}[/dim]')


def print_table(pipeline: Pipeline, console: Console | None = None) -> None:
    """The figures of the method beside its baseline."""
    _print('mIoU in percent', header_of(pipeline), rows_of(pipeline), pipeline.name, console,
           'oracle: at the threshold that is best on the split itself; held-out: at that of one '
           'half of the images, scored on the other. Precision and recall belong to the oracle '
           f'seed. {_notes(pipeline)}')


def print_repetition(pipelines: Sequence[Pipeline], console: Console | None = None) -> None:
    """Mean and standard deviation over seeds, per method and split."""
    columns = [column for column in columns_of(pipelines[0]) if column.repeated]
    rows = []
    for runs in zip(*(pipeline.methods for pipeline in pipelines)):
        figures = [figures_of(run) for run in runs]
        for split in figures[0]:
            cells = []
            for column in columns:
                values = [f[split][column.key] for f in figures
                          if f[split].get(column.key) is not None]
                spread = np.std(values, ddof=1) if len(values) > 1 else 0.
                cells.append(f'{np.mean(values):.{column.digits}f} ± {spread:.{column.digits}f}'
                             if values else '–')
            rows.append([runs[0].name, split, *cells])
    seeds = ', '.join(str(pipeline.context.seed) for pipeline in pipelines)
    _print(f'mIoU in percent, mean ± standard deviation over seeds {seeds}',
           ['method', 'split', *(column.title for column in columns)], rows, pipelines[0].name,
           console)


def _notes(pipeline: Pipeline) -> str:
    """The sentences of the method's finished stages."""
    notes = [stage.note(pipeline.context) for stage in pipeline.stages.values() if stage.is_done]
    return ' '.join(note for note in notes if note)


# -- the page --------------------------------------------------------------------------------------
def stage_cells(pipeline: Pipeline, name: str, img_path: str) -> list:
    """Cells ``(caption, image)`` of what each finished stage made of one image, between the image
    and its ground truth."""
    context = pipeline.context
    image = mmcv.imread(img_path, channel_order='rgb')
    cells = [(name, image)]
    for stage in pipeline.stages.values():
        if stage.is_done:
            cells += stage.cells(context, name, image)
    for split in context.scored:
        if name in split.names:
            cells.append(('ground truth',
                          overlay_mask(image, split.ground_truth(name), context.palette)))
            break
    return cells


def write_report(pipeline: Pipeline, command: str | None = None) -> Path:
    """Write ``<work_dir>/report/index.html`` (one file, all embedded), ``stages.png`` and
    ``metrics.json``.

    Args:
        pipeline: With its stages run.
        command: What was typed; by default the present command line.

    Returns:
        Path of the page.
    """
    context, methods = pipeline.context, pipeline.methods
    out = context.work_dir / 'report'
    rows = rows_of(pipeline)
    ours = [i for i, row in enumerate(rows) if row[0] == pipeline.name]
    sections = [('Result', html.table(header_of(pipeline), rows, ours)
                 + '<p class="note">mIoU in percent. Oracle: at the threshold that is best on the '
                 'split itself, as the papers report seeds; held-out: at the best threshold of one '
                 'half of the images, scored on the other half. Precision and recall (means over '
                 f'the foreground classes) belong to the oracle seed. {_notes(pipeline)}</p>')]
    sections += _charts(pipeline)
    images, grid = _images(pipeline)
    sections.append(('Images of every stage', images))
    times = [[stage.name, f'{stage.seconds:.0f}'] for method in methods
             for stage in method.stages.values() if stage.seconds is not None]
    sections.append(('Times', html.table(('stage', 'seconds'), times)))
    sections.append(('Command', html.code(command or shlex.join(sys.argv))))
    sections.append(('Config', html.code(context.cfg.pretty_text)))
    note = (f'{time.strftime("%Y-%m-%d %H:%M")}, seed {context.seed}, '
            f'{len(context.train_set)} training images, {len(context.classes)} classes')
    with atomic_write(out / 'index.html') as file:
        file.write(html.page(pipeline.name, sections, note))
    if grid:
        with atomic_write(out / 'stages.png', 'wb') as file:
            file.write(_png(draw_grid(grid)))
    write_record(out / 'metrics.json', {method.name: figures_of(method) for method in methods})
    return out / 'index.html'


def _images(pipeline: Pipeline) -> tuple[str, list]:
    """Rows of images as HTML, and the method's cells."""
    context, grid = pipeline.context, []
    text = html.legend(('background', *context.classes), context.palette)
    for name, path in context.shown():
        for method in reversed(pipeline.methods):
            cells = stage_cells(method, name, path)
            cells[0] = (name if method is pipeline else method.name, cells[0][1])
            text += html.figures(cells)
            if method is pipeline:
                grid.append(cells)
    if pipeline.baseline is not None:
        text += ('<p class="note">Of each image the upper row is '
                 f'{pipeline.name}, the lower one {pipeline.baseline.name}.</p>')
    return text, grid


def _charts(pipeline: Pipeline) -> list[tuple[str, str]]:
    """The charts of the stages; those of one title show method and baseline together."""
    charts: dict[tuple, dict] = {}
    for method in reversed(pipeline.methods):
        for stage in method.stages.values():
            if stage.is_done:
                for title, kind, values in stage.charts(method.context):
                    charts.setdefault((title, kind), {})[method.name] = values
    classes = ('background', *pipeline.context.classes)
    return [(title, html.curves(values, 'background threshold', 'mIoU') if kind == 'curve'
             else html.bars(classes, values)) for (title, kind), values in charts.items()]


def _png(image: np.ndarray) -> bytes:
    """An RGB image as the bytes of a PNG."""
    data = io.BytesIO()
    Image.fromarray(image).save(data, 'PNG')
    return data.getvalue()
