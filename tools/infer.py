"""Masks of new images by a trained segmentation model.

    python tools/infer.py CONFIG CHECKPOINT FOLDER --out DIR
    python tools/infer.py CONFIG CHECKPOINT a.jpg b.tif --out DIR --export coco yolo cvat labelme

DIR gets masks/ (palette PNG; names of the classes inside and beside), overlays/, areas.csv (pixels
of each class) and the exports. Large images are cut into overlapping tiles whose logits are
averaged, so memory does not grow with the number of rows; --max-side is faster and coarser. Masks
that are there are kept. The exit code is 1 if an image could not be read.
"""

import argparse
import sys
from pathlib import Path

from mmwsss.utils.cli import add_arguments, at_least, make_parser, run_tool

EXPORTS = ('coco', 'yolo', 'cvat', 'labelme')


def parse_args() -> argparse.Namespace:
    parser = make_parser(__doc__, 'config')
    parser.add_argument('checkpoint')
    parser.add_argument('images', nargs='+', help='files, or folders with their subfolders')
    parser.add_argument('--out', required=True, help='folder of the results')
    parser.add_argument('--export', nargs='+', default=[], choices=EXPORTS, metavar='FORMAT',
                        help=f'of {", ".join(EXPORTS)}')
    parser.add_argument('--max-side', type=at_least(1),
                        help='reduce larger images to this long side')
    parser.add_argument('--tile', type=at_least(1), default=640, help='side of the tiles in pixels')
    parser.add_argument('--overlap', type=at_least(0), default=160, help='of the tiles, in pixels')
    parser.add_argument('--min-area', type=at_least(0), default=0,
                        help='pixels that a part needs to become a polygon')
    parser.add_argument('--no-overlays', action='store_true')
    parser.add_argument('--overwrite', action='store_true', help='make masks again that are there')
    add_arguments(parser, 'device', 'cfg_options')
    return parser.parse_args()


def run(args: argparse.Namespace) -> int:
    from mmwsss.apis.segmentation import SegmentationInferencer, segment_folder
    from mmwsss.inference import read_config
    from mmwsss.utils.images import list_images
    images = list_images(args.images)
    cfg = read_config(args.config, args.cfg_options)
    infer = SegmentationInferencer(
        cfg, args.checkpoint, args.device, max_side=args.max_side, tile=args.tile,
        overlap=args.overlap)
    masks = [Path(args.out, 'masks', f'{name}.png') for name in images]
    kept = 0 if args.overwrite else sum(path.is_file() for path in masks)
    failed = segment_folder(
        infer, images, args.out, args.export, None if args.no_overlays else 1600, args.min_area,
        args.overwrite)
    for message in failed.values():
        print(f'warning: {message}', file=sys.stderr)
    print(f'{len(images) - len(failed)} of {len(images)} masks in {args.out}'
          + f', {kept} of them kept (--overwrite makes them again)' * bool(kept))
    return int(bool(failed))


if __name__ == '__main__':
    sys.exit(run_tool(run, parse_args()))
