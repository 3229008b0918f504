"""Saliency maps for Shapes, as a detector would give them: without classes, blurred, and at times
wrong.

    python tools/dataset_converters/shapes_saliency.py DATA_ROOT

From the ground truth: things are grown or shrunk by up to 4 pixels, one in ten is missed, one
image in ten has a salient blot where there is nothing, and all is blurred. A function of the seed
and the image's name.
"""

import argparse
import sys
import zlib
from pathlib import Path

import cv2
import numpy as np

from mmwsss.utils import atomic_write
from mmwsss.utils.cli import at_least, make_parser, run_tool


def saliency_of(mask: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """uint8 mask ``(H, W)`` to a map of the same size in 0..255."""
    salient = np.zeros(mask.shape, np.uint8)
    for label in np.setdiff1d(np.unique(mask), (0, 255)):
        thing = (mask == label).astype(np.uint8)
        kernel = np.ones((2 * int(rng.integers(0, 3)) + 1, ) * 2, np.uint8)
        thing = (cv2.dilate if rng.random() < 0.5 else cv2.erode)(thing, kernel)
        if rng.random() >= 0.1:
            salient |= thing
    if rng.random() < 0.1:
        center = tuple(int(rng.integers(0, side)) for side in mask.shape[::-1])
        cv2.circle(salient, center, max(mask.shape) // 10, 1, -1)
    return cv2.GaussianBlur(salient * 255, (0, 0), 2)


def parse_args() -> argparse.Namespace:
    parser = make_parser(__doc__)
    parser.add_argument('data_root', type=Path, help='folder of a ShapesDataset')
    parser.add_argument('--seed', type=at_least(0), default=0)
    return parser.parse_args()


def run(args: argparse.Namespace) -> None:
    from mmwsss.structures.artifacts import read_mask
    masks = sorted((args.data_root / 'SegmentationClassAug').glob('*.png'))
    if not masks:
        raise ValueError(f'no masks in "{args.data_root / "SegmentationClassAug"}"; first let '
                         'tools/dataset_converters/shapes.py or a training draw the images')
    for path in masks:
        rng = np.random.default_rng([args.seed, zlib.crc32(path.stem.encode())])
        with atomic_write(args.data_root / 'saliency' / path.name, 'wb') as file:
            file.write(cv2.imencode('.png', saliency_of(read_mask(path), rng))[1].tobytes())
    print(f'{len(masks)} saliency maps in {args.data_root / "saliency"}')


if __name__ == '__main__':
    sys.exit(run_tool(run, parse_args()))
