"""Draw Shapes into a folder in VOC layout."""

import argparse
import sys

from mmwsss.utils.cli import at_least, make_parser, run_tool


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    parser = make_parser(__doc__)
    parser.add_argument('out', nargs='?', default='data/shapes')
    parser.add_argument('--train', type=at_least(1), default=400, help='images to train on')
    parser.add_argument('--val', type=at_least(1), default=100, help='images held out')
    parser.add_argument('--image-size', type=at_least(1), default=112)
    parser.add_argument('--seed', type=at_least(0), default=0)
    parser.add_argument('--difficulty', type=float, default=0.5, help='0 to 1')
    return parser.parse_args(argv)


def run(args: argparse.Namespace) -> None:
    from mmwsss.datasets import ShapesDataset
    ShapesDataset.export(args.out, dict(train=args.train, val=args.val), args.image_size, args.seed,
                         args.difficulty)
    print(f'{args.train} + {args.val} images in {args.out}')


if __name__ == '__main__':
    sys.exit(run_tool(run, parse_args()))
