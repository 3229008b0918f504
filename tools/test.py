"""Score a checkpoint on the test set of its config."""

import argparse
import sys

from mmwsss.utils.cli import add_arguments, default_work_dir, make_parser, run_tool


def parse_args() -> argparse.Namespace:
    parser = make_parser(__doc__, 'config')
    parser.add_argument('checkpoint', help='checkpoint file')
    parser.add_argument('--out', help='also write the metrics to this JSON file')
    add_arguments(parser, 'work_dir', 'cfg_options', 'launcher')
    return parser.parse_args()


def run(args: argparse.Namespace) -> None:
    from mmengine.dist import is_main_process

    from mmwsss.engine import WSSSRunner
    from mmwsss.inference import read_config
    from mmwsss.structures.artifacts import write_record
    from mmwsss.utils import register_safe_loader, setup_launcher
    cfg = read_config(args.config, args.cfg_options)
    cfg.work_dir = args.work_dir or default_work_dir(args.config, cfg)
    cfg.load_from = args.checkpoint
    cfg.resume = False
    register_safe_loader()
    setup_launcher(cfg, args.launcher)
    metrics = WSSSRunner.from_cfg(cfg).test()
    if args.out and is_main_process():
        write_record(args.out, metrics)


if __name__ == '__main__':
    sys.exit(run_tool(run, parse_args()))
