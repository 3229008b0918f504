"""A trained classifier or segmentation model as ONNX.

    python tools/export_onnx.py CONFIG CHECKPOINT model.onnx

Input: image, RGB pixels 0..255, float32 (N, 3, H, W); the normalisation is in the file. Outputs of
a classifier: cam (that of its head, not normalised) and logits; of a segmentation model: logits at
the size of the image, background first. One scale, no flip. Where onnxruntime is installed, the
file is run at two sizes and compared with PyTorch; one that differs is removed.
"""

import argparse
import importlib.util
import os
import sys
from typing import TYPE_CHECKING

from mmwsss.utils.cli import add_arguments, at_least, make_parser, run_tool

if TYPE_CHECKING:
    from torch import nn

TOLERANCE = 1e-3


def parse_args() -> argparse.Namespace:
    parser = make_parser(__doc__, 'config')
    parser.add_argument('checkpoint')
    parser.add_argument('out', help='file to write')
    parser.add_argument('--size', type=at_least(1), nargs=2, default=(256, 256), metavar=('H', 'W'),
                        help='that the network is traced with')
    parser.add_argument('--static', action='store_true', help='one image of that size only')
    parser.add_argument('--no-check', action='store_true', help='do not compare with PyTorch')
    add_arguments(parser, 'cfg_options')
    return parser.parse_args()


def check(model: 'nn.Module', path: str, size: tuple, static: bool) -> None:
    """Print how far the file is from PyTorch.

    Raises:
        ValueError: Too far, or it cannot be run.
    """
    import torch

    from mmwsss.apis.deploy import onnx_difference
    height, width = size
    shapes = [(1, 3, height, width)]
    if not static:
        shapes += [(2, 3, height, width), (1, 3, height - height // 5, width + width // 7)]
    for shape in shapes:
        found = onnx_difference(model, path, torch.rand(shape) * 255)
        text = ', '.join(f'{name} {value:.1e}' for name, value in found.items())
        print(f'{shape}: relative difference from PyTorch {text}')
        if max(found.values()) > TOLERANCE:
            raise ValueError(f'"{path}" differs from PyTorch by {text} on images {shape}')


def run(args: argparse.Namespace) -> None:
    from mmwsss.apis.deploy import export_onnx
    from mmwsss.apis.segmentation import class_names
    from mmwsss.inference import load_model, read_config
    cfg = read_config(args.config, args.cfg_options)
    model = load_model(cfg, args.checkpoint, 'cpu')
    classes, _ = class_names(cfg, args.checkpoint)
    export_onnx(model, args.out, args.size, classes or (), not args.static)
    print(f'{args.out}: {os.path.getsize(args.out) / 2 ** 20:.1f} MiB')
    if args.no_check:
        return
    if importlib.util.find_spec('onnxruntime') is None:
        print('not compared with PyTorch, since onnxruntime is not installed')
        return
    try:
        check(model, args.out, tuple(args.size), args.static)
    except ValueError as error:
        os.remove(args.out)  # nothing else says that it is wrong
        hint = '' if args.static else '; export it for one size with --static --size H W'
        raise ValueError(f'{error}; the file was removed{hint}') from error


if __name__ == '__main__':
    sys.exit(run_tool(run, parse_args()))
