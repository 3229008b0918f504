"""What a pipeline ends with: the table on the console and the HTML page."""

import json
import shlex
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Optional

import mmcv
import numpy as np
from rich import box
from rich.console import Console
from rich.table import Table

from mmwsss.evaluation import load_cam, resize_cam
from mmwsss.inference.cams import seed_mask
from mmwsss.utils import atomic_write
from mmwsss.utils.masks import read_mask
from mmwsss.visualization import draw_grid, overlay_cam, overlay_mask
from mmwsss.visualization import report as page

from .pipeline import Pipeline

COLUMNS = ('method', 'split', 'seed (oracle)', 'at', 'precision', 'recall', 'seed (held-out)', 'at',
           'mask', 'segmentation')


def figures_of(pipeline: Pipeline) -> dict[str, dict]:
    """The figures of the finished stages by split, in percent; absent ones are None."""
    results = pipeline.results()
    seeds, masks, segment = (results.get(name, {}) for name in ('cam', 'mask', 'segment'))
    names = [split.name for split in pipeline.splits]
    if segment and segment['split'] not in names:
        names.append(segment['split'])
    figures = {}
    for name in names:
        seed = seeds.get(name, {})
        figures[name] = dict(
            seed=seed.get('mIoU@oracle'), threshold=seed.get('threshold@oracle'),
            precision=seed.get('mPrecision@oracle'), recall=seed.get('mRecall@oracle'),
            held_out=seed.get('mIoU@held_out'), held_out_threshold=seed.get('threshold@held_out'),
            mask=masks.get(name, {}).get('mIoU'),
            segment=segment.get('mIoU') if segment.get('split') == name else None)
    return figures


def _methods(pipeline: Pipeline) -> list[Pipeline]:
    return [x for x in (pipeline.baseline, pipeline) if x is not None]


def rows_of(pipeline: Pipeline) -> list[list[str]]:
    """Rows of the table (see ``COLUMNS``), the baseline first."""
    rows = []
    for method in _methods(pipeline):
        for split, f in figures_of(method).items():
            rows.append([
                method.name, split, page.number(f['seed']), page.number(f['threshold'], 2),
                page.number(f['precision']), page.number(f['recall']), page.number(f['held_out']),
                page.number(f['held_out_threshold'], 2), page.number(f['mask']),
                page.number(f['segment'])])
    return rows


def print_table(pipeline: Pipeline, console: Optional[Console] = None) -> None:
    """The figures of the method beside its baseline."""
    table = Table(title='mIoU in percent', box=box.SIMPLE_HEAD, title_justify='left')
    for i, column in enumerate(COLUMNS):
        table.add_column(column, justify='left' if i < 2 else 'right')
    for row in rows_of(pipeline):
        table.add_row(*row, style='bold' if row[0] == pipeline.name else '')
    console = console or Console(width=None if sys.stdout.isatty() else 130)
    console.print(table)
    console.print(
        '[dim]oracle: at the threshold that is best on the split itself; held-out: at that of one '
        'half of the images, scored on the other. Precision and recall belong to the oracle '
        'seed.[/dim]')


def print_repetition(pipelines: Sequence[Pipeline], console: Optional[Console] = None) -> None:
    """Mean and standard deviation over seeds, per method and split."""
    keys = ('seed', 'precision', 'recall', 'held_out', 'mask', 'segment')
    table = Table(title=f'mIoU in percent, mean ± standard deviation over seeds '
                        f'{", ".join(str(p.seed) for p in pipelines)}', box=box.SIMPLE_HEAD,
                  title_justify='left')
    for i, column in enumerate(('method', 'split', 'seed (oracle)', 'precision', 'recall',
                                'seed (held-out)', 'mask', 'segmentation')):
        table.add_column(column, justify='left' if i < 2 else 'right')
    for runs in zip(*map(_methods, pipelines)):
        figures = [figures_of(run) for run in runs]
        for split in figures[0]:
            cells = []
            for key in keys:
                values = [f[split][key] for f in figures if f[split][key] is not None]
                spread = np.std(values, ddof=1) if len(values) > 1 else 0.
                cells.append(f'{np.mean(values):.1f} ± {spread:.1f}' if values else '–')
            table.add_row(runs[0].name, split, *cells,
                          style='bold' if runs[0].name == pipelines[0].name else '')
    (console or Console(width=None if sys.stdout.isatty() else 130)).print(table)


# -- the page --------------------------------------------------------------------------------------
def stage_cells(pipeline: Pipeline, name: str, img_path: str) -> list:
    """Cells ``(caption, image)`` of what each finished stage made of one image: the image,
    CAMs, seed, mask, segmentation and ground-truth mask."""
    image = mmcv.imread(img_path, channel_order='rgb')
    cells = [(name, image)]
    folder = pipeline.work_dir
    done = [key for key, stage in pipeline.stages.items() if stage.is_done]
    if 'cam' in done:
        cam, keys, size = load_cam(folder / 'cam' / f'{name}.npz')
        cam = resize_cam(cam, size).numpy()
        cells += [(f'CAM {pipeline.classes[key]}', overlay_cam(image, c))
                  for key, c in zip(keys, cam)]
        split = pipeline.splits[0].name
        threshold = pipeline.stages['cam'].result[split]['threshold@oracle']
        seed = seed_mask(cam, keys, size, threshold)
        cells.append((f'seed at {threshold:.2f}', overlay_mask(image, seed, pipeline.palette)))
    if 'mask' in done:
        mask = read_mask(folder / 'mask' / f'{name}.png')
        cells.append(('pseudo mask', overlay_mask(image, mask, pipeline.palette)))
    prediction = folder / 'segment' / 'shown' / f'{name}.png'
    if 'segment' in done and prediction.is_file():
        cells.append(('segmentation', overlay_mask(image, read_mask(prediction),
                                                   pipeline.palette)))
    for split in pipeline.splits:
        if name in split.names:
            cells.append(('exact', overlay_mask(image, split.exact(name), pipeline.palette)))
            break
    return cells


def write_report(pipeline: Pipeline, command: Optional[str] = None) -> Path:
    """Write ``<work_dir>/report/index.html`` (one file, all embedded) and ``stages.png``.

    Args:
        pipeline: With its stages run.
        command: What was typed; by default the present command line.

    Returns:
        Path of the page.
    """
    out = pipeline.work_dir / 'report'
    classes = ('background', *pipeline.classes)
    methods = _methods(pipeline)
    rows = rows_of(pipeline)
    ours = [i for i, row in enumerate(rows) if row[0] == pipeline.name]
    sections = [('Result', page.table(COLUMNS, rows, ours)
                 + '<p class="note">mIoU in percent. Oracle: at the threshold that is best on the '
                 'split itself, as the papers report seeds; held-out: at the best threshold of one '
                 'half of the images, scored on the other half. Precision and recall (means over '
                 'the foreground classes) belong to the oracle seed. The masks use one threshold '
                 f'for all images ({_threshold(pipeline)}).</p>')]
    sections += _charts(methods, classes)
    shown = pipeline.shown()
    grid = []
    rows_html = page.legend(classes, pipeline.palette)
    for name, path in shown:
        for method in reversed(methods):
            cells = stage_cells(method, name, path)
            cells[0] = (name if method is pipeline else f'{method.name}', cells[0][1])
            rows_html += page.figures(cells)
            if method is pipeline:
                grid.append(cells)
    if len(methods) > 1:
        rows_html += ('<p class="note">Of each image the upper row is '
                      f'{pipeline.name}, the lower one {methods[0].name}.</p>')
    sections.append(('Images of every stage', rows_html))
    sections.append(('Times', page.table(('stage', 'seconds'), _times(methods))))
    sections.append(('Command', page.code(command or shlex.join(sys.argv))))
    sections.append(('Config', page.code(pipeline.cfg.pretty_text)))
    note = (f'{time.strftime("%Y-%m-%d %H:%M")}, seed {pipeline.seed}, '
            f'{len(pipeline.train_set)} training images, {len(pipeline.classes)} classes')
    with atomic_write(out / 'index.html') as file:
        file.write(page.page(pipeline.name, sections, note))
    if grid:
        with atomic_write(out / 'stages.png', 'wb') as file:
            file.write(mmcv_png(draw_grid(grid)))
    with atomic_write(out / 'metrics.json') as file:
        json.dump({method.name: figures_of(method) for method in methods}, file, indent=1)
    return out / 'index.html'


def mmcv_png(image: np.ndarray) -> bytes:
    """An RGB image as the bytes of a PNG."""
    import io

    from PIL import Image
    data = io.BytesIO()
    Image.fromarray(image).save(data, 'PNG')
    return data.getvalue()


def _threshold(pipeline: Pipeline) -> str:
    bg = pipeline.mask_options.get('bg')
    value = pipeline.results().get('mask', {}).get('threshold')
    if bg is None or value is None:
        return f'alpha {pipeline.mask_options.get("alpha")}'
    return f'{value:g}' + (f', {bg} of {pipeline.splits[0].name}' if isinstance(bg, str) else '')


def _times(methods: Sequence[Pipeline]) -> list[list[str]]:
    rows = []
    for method in methods:
        for stage in method.stages.values():
            path = stage.folder / 'done.json'
            if stage.is_done:
                rows.append([stage.name, f'{json.loads(path.read_text())["seconds"]:.0f}'])
    return rows


def _charts(methods: Sequence[Pipeline], classes: Sequence[str]) -> list[tuple[str, str]]:
    sections = []
    first = methods[-1].splits[0].name
    lines, seeds = {}, {}
    for method in reversed(methods):
        path = method.work_dir / 'cam' / f'seeds_{first}.json'
        if path.is_file():
            record = json.loads(path.read_text())
            curve = record['curve']
            lines[method.name] = (curve['thresholds'], curve['mIoU'])
            seeds[method.name] = [record['per_class']['oracle']['iou'][c] for c in classes]
    if lines:
        sections.append((f'Seed mIoU by background threshold ({first})',
                         page.curves(lines, 'background threshold', 'mIoU')))
    per_class = [(f'Seed IoU per class ({first}, oracle threshold)', seeds)]
    for key, text in (('mask', 'Mask'), ('segment', 'Segmentation')):
        values, where = {}, first
        for method in reversed(methods):
            result = method.results().get(key, {})
            scores = result.get(first, {}) if key == 'mask' else result
            where = first if key == 'mask' else result.get('split', '')
            if scores.get('IoU'):
                values[method.name] = scores['IoU']
        per_class.append((f'{text} IoU per class ({where})', values))
    sections += [(title, page.bars(classes, values)) for title, values in per_class if values]
    return sections
