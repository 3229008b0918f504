"""Operations and parameters of the network of a config, classifier or segmentation model.

    python tools/analysis_tools/get_flops.py CONFIG [--size 512 512] [--table]

Counted by mmengine on one image at one scale: a multiplication and an addition are one operation;
element-wise functions are not counted. The parameters of a teacher and other networks beside the
student are, their operations (training only) are not. A CAM by gradients is left out.
"""

import argparse
import logging
import sys

from mmwsss.utils.cli import add_arguments, at_least, make_parser, run_tool


def parse_args() -> argparse.Namespace:
    parser = make_parser(__doc__, 'config')
    parser.add_argument('--size', type=at_least(1), nargs=2, default=(512, 512), metavar=('H', 'W'))
    parser.add_argument('--table', action='store_true', help='also of each module')
    add_arguments(parser, 'cfg_options')
    return parser.parse_args()


def run(args: argparse.Namespace) -> None:
    import torch
    from mmengine.analysis import get_model_complexity_info

    from mmwsss.apis.deploy import deployed
    from mmwsss.inference import load_model, read_config
    cfg = read_config(args.config, args.cfg_options)
    cfg.model.pop('cam', None)
    network = deployed(load_model(cfg, device='cpu'))
    logging.disable(logging.WARNING)  # a line for each kind of function that is not counted
    info = get_model_complexity_info(
        network, inputs=torch.rand(1, 3, *args.size), show_table=args.table, show_arch=False)
    if args.table:
        print(info['out_table'])
    print(f'image: {args.size[0]} x {args.size[1]}\noperations: {info["flops_str"]}\n'
          f'parameters: {info["params_str"]}')


if __name__ == '__main__':
    sys.exit(run_tool(run, parse_args()))
