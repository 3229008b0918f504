"""Several runs side by side: image | CAMs | masks | ground truth.

    python tools/analysis_tools/compare.py work_dirs/cam_shapes work_dirs/ktse_shapes \\
        --images val_00003 val_00017 --out compare.html
    python tools/analysis_tools/compare.py RUN RUN --scores scores.csv --split train --of seed

A run is the work dir of a pipeline, or of a row and seed of tools/reproduce.py. Without --images,
those of the first run's report are shown. An --out that ends in .png makes an image, any other one
an HTML page. --scores writes IoU, precision and recall of every image of a split: means over the
foreground classes that its ground truth or mask shows, in percent.
"""

import argparse
import csv
import importlib
import io
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from mmwsss.utils.cli import make_parser, run_tool

if TYPE_CHECKING:
    from mmwsss.pipeline import Pipeline


def parse_args() -> argparse.Namespace:
    parser = make_parser(__doc__)
    parser.add_argument('runs', nargs='+', metavar='RUN', help='work dir of a pipeline')
    parser.add_argument('--names', nargs='+', help='what to call the runs')
    parser.add_argument('--custom-imports', nargs='+', default=[], metavar='MODULE',
                        help="of the runs' own components, as in their configs")
    parser.add_argument('--images', nargs='+', metavar='NAME', help='ids of images')
    parser.add_argument('--out', default='compare.html', help='HTML page, or .png')
    parser.add_argument('--scores', metavar='FILE', help='CSV file of the scores of each image')
    parser.add_argument('--split', help='of the scores; default: the first with ground truth')
    parser.add_argument('--of', choices=('mask', 'seed'), default='mask',
                        help='what is scored: pseudo masks, or seeds at their best threshold')
    return parser.parse_args()


def open_runs(folders: list[str], names: list[str] | None) -> dict[str, 'Pipeline']:
    """The pipelines by name: as given, else of the method, made unique by the folder."""
    from mmwsss.pipeline.compare import open_run
    runs = [open_run(folder) for folder in folders]
    if names is None:
        names = [run.name for run in runs]
        names = [name if names.count(name) == 1 else f'{name} ({folder})'
                 for name, folder in zip(names, folders)]
    if len(names) != len(runs) or len(set(names)) < len(names):
        raise ValueError(f'--names: one for each of the {len(runs)} runs, each another')
    return dict(zip(names, runs))


def run(args: argparse.Namespace) -> None:
    from mmwsss.pipeline.compare import compare_rows, compare_section, image_paths, image_scores
    from mmwsss.utils import atomic_write
    from mmwsss.utils.images import write_image
    from mmwsss.visualization import draw_grid, html
    for name in args.custom_imports:
        importlib.import_module(name)
    runs = open_runs(args.runs, args.names)
    first = next(iter(runs.values()))
    images = image_paths(
        first, args.images or [info['name'] for info in first.context.shown()])
    if args.out.endswith('.png'):
        write_image(args.out, draw_grid(compare_rows(runs, images)))
    else:
        with atomic_write(args.out) as file:
            file.write(html.page('Comparison', [(', '.join(runs), compare_section(runs, images))]))
    print(f'images: {Path(args.out).resolve()}')
    if args.scores:
        text = io.StringIO()
        writer = csv.DictWriter(text, ['run', 'image', 'IoU', 'precision', 'recall'],
                                lineterminator='\n')
        writer.writeheader()
        for name, pipeline in runs.items():
            writer.writerows(dict(run=name, **record)
                             for record in image_scores(pipeline, args.split, args.of))
        with atomic_write(args.scores) as file:
            file.write(text.getvalue())
        print(f'scores: {Path(args.scores).resolve()}')


if __name__ == '__main__':
    sys.exit(run_tool(run, parse_args()))
