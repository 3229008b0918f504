"""Make a label table from the masks of a data set.

    python tools/dataset_converters/masks_to_labels.py MASK_DIR OUT.json [--list LIST]

A class is in an image if any pixel of its mask has the class; 255 counts as background. OUT is a
``label_file``. EADER's released code takes its labels from masks in this way, all other methods
those of the annotations.
"""

import argparse
import json
import sys
from pathlib import Path

import numpy as np

from mmwsss.utils import atomic_write
from mmwsss.utils.cli import make_parser, run_tool
from mmwsss.utils.io import read_text


def labels_of_masks(folder: str | Path, names: list[str] | None = None,
                    suffix: str = '.png') -> dict[str, list[int]]:
    """Class indices from 0 of the mask of each image.

    Args:
        folder: Folder of the masks, ids ``1..C``.
        names: Image ids; None: all masks below the folder.
        suffix: Ending of the files.

    Raises:
        FileNotFoundError: There is no mask, or that of a name is missing.
        ValueError: A mask cannot be decoded.
    """
    from mmwsss.structures.artifacts import read_mask
    from mmwsss.utils.images import images_below
    folder = Path(folder)
    if names is None:
        names = [name.removesuffix(suffix) for name in images_below(folder, (suffix, ))]
    if not names:
        raise FileNotFoundError(f'no mask *{suffix} in "{folder}"')
    table = {}
    for name in names:
        ids = np.unique(read_mask(folder / f'{name}{suffix}'))
        table[name] = [int(i) - 1 for i in ids if 0 < i < 255]
    return table


def parse_args() -> argparse.Namespace:
    parser = make_parser(__doc__)
    parser.add_argument('masks', type=Path, help='folder of the masks')
    parser.add_argument('out', type=Path, help='label table to write, *.json')
    parser.add_argument('--list', type=Path, help='image ids, one a line; default: all masks')
    return parser.parse_args()


def run(args: argparse.Namespace) -> None:
    if args.out.suffix != '.json':
        raise ValueError(f'"{args.out}" must end in .json, the form that is written')
    names = None
    if args.list:
        lines = [line.strip() for line in read_text(args.list).splitlines() if line.strip()]
        names = [line if (args.masks / f'{line}.png').is_file() else line.split()[0]
                 for line in lines]  # a name with blanks, or further columns
    table = labels_of_masks(args.masks, names)
    with atomic_write(args.out) as file:
        json.dump(table, file)
    print(f'{len(table)} images -> {args.out}')


if __name__ == '__main__':
    sys.exit(run_tool(run, parse_args()))
