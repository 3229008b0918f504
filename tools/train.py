"""Train a classifier, an affinity network or a segmentation model from a config."""

import argparse
import sys
from typing import TYPE_CHECKING

from mmwsss.utils.cli import add_arguments, at_least, default_work_dir, make_parser, run_tool

if TYPE_CHECKING:
    from mmengine.config import Config


def parse_args() -> argparse.Namespace:
    parser = make_parser(__doc__, 'config', 'work_dir')
    parser.add_argument(
        '--resume', nargs='?', const='auto',
        help='go on from a checkpoint; without a path from the last one in the work dir, if any')
    parser.add_argument(
        '--amp', action='store_true',
        help='mixed precision: float16 on a GPU, bfloat16 on a CPU')
    parser.add_argument(
        '--supervised', action='store_true',
        help='train a segmentation model on ground truth instead of pseudo masks (upper bound)')
    parser.add_argument('--seed', type=at_least(0), help='seed of everything that is drawn')
    parser.add_argument(
        '--deterministic', action='store_true', help='deterministic algorithms on a GPU (slower)')
    parser.add_argument(
        '--auto-scale-lr', action='store_true',
        help="scale the rate by the config's auto_scale_lr=dict(base_batch_size=...)")
    add_arguments(parser, 'device', 'cfg_options', 'launcher')
    return parser.parse_args()


def load_config(args: argparse.Namespace) -> 'Config':
    """The config file with the command line on top."""
    from mmwsss.datasets.supervised import use_ground_truth
    from mmwsss.engine import use_amp, use_safe_checkpoints
    from mmwsss.inference import read_config
    from mmwsss.utils.checkpoint import latest_checkpoint
    cfg = read_config(args.config, args.cfg_options)
    if args.supervised:
        use_ground_truth(cfg)
    cfg.work_dir = args.work_dir or (
        default_work_dir(args.config, cfg) + '_supervised' * args.supervised)
    if args.resume:
        cfg.resume = True
        cfg.load_from = latest_checkpoint(
            cfg.work_dir) if args.resume == 'auto' else args.resume
    use_safe_checkpoints(cfg)
    if args.amp:
        use_amp(cfg.optim_wrapper)
    if args.seed is not None:
        cfg.randomness = {**cfg.get('randomness', {}), 'seed': args.seed}
    if args.deterministic:
        cfg.randomness = {**cfg.get('randomness', {}), 'deterministic': True}
    if args.auto_scale_lr:
        if 'base_batch_size' not in cfg.get('auto_scale_lr', {}):
            raise ValueError(f'--auto-scale-lr: {args.config} has no '
                             'auto_scale_lr=dict(base_batch_size=...), the batch its rate is for')
        cfg.auto_scale_lr.enable = True
    return cfg


def run(args: argparse.Namespace) -> None:
    from mmwsss.engine import WSSSRunner
    from mmwsss.utils import check_pretrained, register_safe_loader, setup_launcher
    cfg = load_config(args)
    register_safe_loader()
    check_pretrained(cfg)
    setup_launcher(cfg, args.launcher)
    WSSSRunner.from_cfg(cfg).train()


if __name__ == '__main__':
    sys.exit(run_tool(run, parse_args()))
