"""What a pipeline ends with: the table on the console and the HTML page."""

import csv
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import mmcv
import numpy as np
from rich import box
from rich.console import Console
from rich.table import Table

from mmwsss.structures.artifacts import read_record, write_record
from mmwsss.utils.cli import command_line
from mmwsss.utils.images import write_image
from mmwsss.utils.io import atomic_write, sweep_temporaries
from mmwsss.visualization import draw_grid, html, overlay_mask
from mmwsss.visualization.report_page import report_page, unique_names

from .pipeline import Pipeline
from .stage import Chart, Column

UNSCORED = 'no ground truth'
RUNS = Path('report') / 'runs.json'  # below a work dir: what its page shows, as data
LIMIT = 450_000  # bytes of one image of one run on the page
MAP_SIDE = 160  # of the CAMs that the slider cuts


def columns_of(pipeline: Pipeline) -> list[Column]:
    """Columns of the table: those of the stages of the method and its baseline, each once."""
    columns = {column.key: column for method in reversed(pipeline.methods)
               for stage in method.stages.values() for column in stage.columns}
    return list(columns.values())


def figures_of(pipeline: Pipeline) -> dict[str, dict]:
    """The figures of the finished stages by split; absent ones are None."""
    found: dict[str, dict] = {split.name: {} for split in pipeline.context.scored}
    for stage in pipeline.finished:
        for split, figures in stage.figures_by_split(pipeline.context).items():
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
    notes = [stage.note(pipeline.context) for stage in pipeline.finished]
    return ' '.join(note for note in notes if note)


# -- the page --------------------------------------------------------------------------------------
def stage_cells(pipeline: Pipeline, name: str, image: np.ndarray) -> list:
    """Cells ``(caption, image)`` of what each finished stage made of one image."""
    return [cell for stage in pipeline.finished
            for cell in stage.cells(pipeline.context, name, image)]


def _stage_layers(pipeline: Pipeline, name: str) -> list[dict]:
    """Maps for the slider: those of an image one below the other in a grey PNG."""
    context, found = pipeline.context, []
    for stage in pipeline.finished:
        layers = stage.layers(context, name)
        if layers is not None:
            maps = [html.shrink((255 * np.asarray(one, np.float32).clip(0, 1)).astype(np.uint8),
                                MAP_SIDE) for one in layers.maps]
            found.append(dict(
                caption=stage.key, maps=html.grey(np.concatenate(maps)),
                colors=[list(context.palette[int(key) + 1]) for key in layers.keys],
                threshold=float(layers.threshold)))
    return found


def ground_truth_cells(pipeline: Pipeline, name: str, image: np.ndarray) -> list:
    """One cell ``(caption, image)`` of the ground truth of an image, if it has one."""
    context = pipeline.context
    for split in context.scored:
        if name in split.names:
            return [('ground truth',
                     overlay_mask(image, split.ground_truth(name), context.palette))]
    return []


def _embed(images: Sequence[np.ndarray], limit: int) -> list[str]:
    """Images as addresses, smaller and smaller until all of them keep within some bytes."""
    for side in (480, 320, 240, 160, 80):
        addresses = [html.jpeg(html.shrink(image, side)) for image in images]
        if sum(map(len, addresses)) <= limit:
            break
    return addresses


def image_scores_of(pipeline: Pipeline) -> dict[str, dict[str, float]]:
    """Scores of single images by the finished stages: id to title to value."""
    scores: dict[str, dict] = {}
    for stage in pipeline.finished:
        for name, values in stage.scores(pipeline.context).items():
            scores.setdefault(name, {}).update(values)
    return scores


def _chosen(pipeline: Pipeline, scores: dict[str, dict[str, float]]) -> list[dict]:
    """Images of the page: a quarter the worst, a quarter the best by the last score of the last
    scored split, and others spread."""
    context = pipeline.context
    names = context.scored[-1].names if context.scored else ()
    titles = [title for name in names for title in scores.get(name, {})]
    if not titles:
        return context.shown()
    ranked = sorted((name for name in names if titles[-1] in scores.get(name, {})),
                    key=lambda name: scores[name][titles[-1]])
    quarter = min(len(context.shown()) // 4, len(ranked) // 2)
    return context.shown([*ranked[:quarter], *ranked[len(ranked) - quarter:]])


def _distributions(scores: dict[str, dict[str, float]]) -> list[Chart]:
    """Of each score a curve over the images, the worst first."""
    by_title: dict[str, list] = {}
    for values in scores.values():
        for title, value in values.items():
            by_title.setdefault(title, []).append(value)
    return [Chart(f'{title} of single images, sorted', 'curve',
                  (np.linspace(0, 100, len(values)), sorted(values)), 'share of the images, %', '')
            for title, values in by_title.items()]


def _run(pipeline: Pipeline, infos: Sequence[dict], scores: dict[str, dict[str, float]],
         command: str) -> tuple[dict, list]:
    """One run as data, see :mod:`mmwsss.visualization.report_page`, and its cells."""
    context, images, grid = pipeline.context, [], []
    for info in infos:
        name = info['name']
        image = mmcv.imread(info['img_path'], channel_order='rgb')
        cells = stage_cells(pipeline, name, image)
        ends = ground_truth_cells(pipeline, name, image)
        layers = _stage_layers(pipeline, name)
        grid.append([(name, image), *cells, *ends])
        addresses = _embed([shown for _, shown in grid[-1]],
                           LIMIT - sum(len(item['maps']) for item in layers))
        images.append(dict(
            name=name, classes=[context.classes[k] for k in info['labels']],
            scores=scores.get(name, {}), image=addresses[0],
            truth=addresses[-1] if ends else None, layers=layers,
            cells=[(caption, address) for (caption, _), address in zip(cells, addresses[1:])]))
    stages = pipeline.finished
    charts = [chart for stage in stages for chart in stage.charts(context)]
    return dict(
        name=pipeline.name, command=command, config=context.cfg.pretty_text,
        about=f'{time.strftime("%Y-%m-%d %H:%M")}, seed {context.seed}, '
              f'{len(context.train_set)} training images, {len(context.classes)} classes',
        note=_notes(pipeline), classes=['background', *context.classes], palette=context.palette,
        columns=[column[:3] for column in columns_of(pipeline)],
        figures=figures_of(pipeline),
        charts=[chart._asdict() for chart in [*charts, *_distributions(scores)]],
        stages=[dict(name=stage.key, seconds=stage.seconds, memory=stage.memory,
                     machine=stage.machine) for stage in stages],
        images=images), grid


def write_report(pipeline: Pipeline, command: str | None = None) -> Path:
    """Write ``<work_dir>/report/index.html`` (one file, all embedded: at most 0.45 MB for each
    image of each run, and the config), ``runs.json`` (what it shows, for :func:`compare_runs`),
    ``stages.png``, ``metrics.json`` and ``scores.csv`` (of all scored images).

    Args:
        pipeline: With its stages run.
        command: What was typed; by default the present command line.

    Returns:
        Path of the page.
    """
    methods = pipeline.methods[::-1]  # ours first
    out = pipeline.context.work_dir / 'report'
    command = command or command_line()
    scores = [image_scores_of(method) for method in methods]
    infos = _chosen(pipeline, scores[0])
    runs, grids = zip(*(_run(method, infos, of_images, command)
                        for method, of_images in zip(methods, scores)))
    sweep_temporaries(out, '*')
    write_record(out / RUNS.name, unique_names(runs, [out.parent.name, 'baseline']))
    # As they are read again, so that both pages agree.
    with atomic_write(out / 'index.html') as file:
        file.write(report_page(read_record(out / RUNS.name), pipeline.name))
    if grids[0]:
        write_image(out / 'stages.png', draw_grid(grids[0]))
    write_record(out / 'metrics.json',
                 {method.name: figures_of(method) for method in pipeline.methods})
    with atomic_write(out / 'scores.csv') as file:
        lines = csv.writer(file, lineterminator='\n')
        lines.writerow(('method', 'image', 'score', 'percent'))
        lines.writerows((method.name, name, title, f'{value:.2f}')
                        for method, of_images in zip(methods, scores)
                        for name, values in of_images.items() for title, value in values.items())
    return out / 'index.html'


def compare_runs(folders: Sequence[str | Path], out: str | Path) -> Path:
    """One page of several runs side by side.

    Args:
        folders: Work dirs of the pipeline, those of all runs of ``--seeds``, say; each brings its
            method and its baseline.
        out: The page.

    Raises:
        FileNotFoundError: A folder has no report.
    """
    runs, names = [], []
    for folder in dict.fromkeys(map(Path, folders)):
        path = folder / RUNS
        if not path.is_file():
            raise FileNotFoundError(f'no report in "{folder}" ({path}); run tools/run_pipeline.py '
                                    'there again, finished stages are skipped')
        runs += read_record(path)
        names += [str(folder)] * (len(runs) - len(names))
    with atomic_write(Path(out)) as file:
        file.write(report_page(unique_names(runs, names), 'Runs side by side'))
    return Path(out)
