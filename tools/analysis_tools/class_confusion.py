"""Confusion between classes that come together, which is what CSD is for.

    python tools/analysis_tools/class_confusion.py CONFIG MASKS [MASKS ...] [--pairs 10]

For the pairs of classes that share images most often: of the pixels of the one, how many in a
hundred have the other's id in a folder of masks. Several folders (a base, and CSD on it) are put
side by side; a pattern in quotes, 'seed_*/mask', is one column of all its folders together. Ground
truth and images are those of the config's val_dataloader.
"""

import argparse
import sys
from glob import glob
from pathlib import Path

import numpy as np

from mmwsss.utils.cli import at_least, make_parser, run_tool


def parse_args() -> argparse.Namespace:
    parser = make_parser(__doc__, 'config')
    parser.add_argument('masks', nargs='+', help='folders of <name>.png, or patterns')
    parser.add_argument('--pairs', type=at_least(1), default=10, help='so many pairs of classes')
    return parser.parse_args()


def run(args: argparse.Namespace) -> None:
    compare(args.config, args.masks, args.pairs)


def compare(config: str, folders: list[str], count: int) -> None:
    """Print the table of folders of masks."""
    from mmwsss.datasets.cooccurrence import frequent_pairs
    from mmwsss.datasets.splits import Split
    from mmwsss.evaluation import mask_confusion, mean_scores, pair_rates
    from mmwsss.inference import read_config
    split = Split(read_config(config).val_dataloader.dataset)
    names = ('background', *split.classes)
    pairs = frequent_pairs(split.dataset.label_matrix(), count)
    if not pairs:
        raise SystemExit('no image has two classes, so none can be mixed up')
    rates, scores = [], []
    for folder in folders:
        runs = [mask_confusion(run, split)
                for run in sorted(glob(folder)) or [folder]]
        rates.append(pair_rates(sum(runs), pairs))
        scores.append(np.mean([mean_scores(run)['mIoU'] for run in runs]))
    labels = [str(Path(folder)) for folder in folders]
    for number, label in enumerate(labels):
        print(f'({number}) {label}')
    width = max(len(f'{names[i]} called {names[j]}') for i, j in pairs)
    print(' ' * width + ''.join(f'{f"({n})":>8}' for n in range(len(labels))))
    for (i, j), *values in zip(pairs, *rates):
        row = ''.join(f'{value:8.2f}' for value in values)
        print(f'{f"{names[i]} called {names[j]}":<{width}}{row}')
    means = ''.join(f'{np.mean(rate):8.2f}' for rate in rates)
    print(f'{"mean (%)":<{width}}{means}')
    print(f'{"mIoU (%)":<{width}}' + ''.join(f'{score:8.2f}' for score in scores))


if __name__ == '__main__':
    sys.exit(run_tool(run, parse_args()))
