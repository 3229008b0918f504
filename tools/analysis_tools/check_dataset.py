"""Is a data set fit for training, and what is in it?

    python tools/analysis_tools/check_dataset.py CONFIG
    python tools/analysis_tools/check_dataset.py FOLDER LABELS [--masks DIR] [--classes cat dog]

Reads every image (and mask) once: decoding, sizes, EXIF, duplicates by content, labels against
files, ids of masks, counts of the classes and of those that come together. Prints what to do and
writes one HTML page with a contact sheet of each class. Exit code: 0 fine, 1 something must be
fixed, 2 the config or the table cannot be understood.
"""

import argparse
import sys
from pathlib import Path

from mmwsss.utils import atomic_write
from mmwsss.utils.cli import add_arguments, at_least, make_parser, run_tool


def parse_args() -> argparse.Namespace:
    parser = make_parser(__doc__)
    parser.add_argument('source', help='config, or folder of images')
    parser.add_argument('labels', nargs='?', help='label table of the folder')
    parser.add_argument('--masks', help='folder of <name>.png, for a folder of images')
    parser.add_argument('--classes', nargs='+', help=(
        'all classes in the order of the ids of the masks, or of the indices in the table; '
        'default: that of the table if it has one, else sorted'))
    parser.add_argument('--loader', default='train', choices=('train', 'val', 'test'),
                        help='whose images of a config: train_dataloader, ...')
    parser.add_argument('--out', default='dataset.html', help='the page')
    parser.add_argument('--num-threads', type=at_least(1), default=4)
    add_arguments(parser, 'cfg_options')
    return parser.parse_args()


def run(args: argparse.Namespace) -> int:
    from mmwsss.datasets.inspection import inspect_dataset, open_folder
    from mmwsss.datasets.splits import inner_dataset
    from mmwsss.inference import read_config
    from mmwsss.registry import DATASETS
    from mmwsss.visualization.dataset_page import dataset_page
    if Path(args.source).is_dir():
        if args.labels is None:
            raise ValueError('a folder needs its label table: check_dataset.py FOLDER LABELS')
        dataset = open_folder(args.source, args.labels, args.masks, args.classes)
        result = inspect_dataset(dataset, args.source, args.num_threads)
    else:
        cfg = read_config(args.source, args.cfg_options)
        options = inner_dataset(cfg[f'{args.loader}_dataloader']['dataset'])
        dataset = DATASETS.build(dict(options, pipeline=[], check_files=False, test_mode=True))
        result = inspect_dataset(dataset, None, args.num_threads)
    print(result.summary())
    with atomic_write(args.out) as file:
        file.write(dataset_page(result, f'Data set {args.source}'))
    print(f'page: {args.out}')
    return 0 if result.ok else 1


if __name__ == '__main__':
    sys.exit(run_tool(run, parse_args()))
