"""Score a checkpoint on the test set of its config, or on the validation set if it has none."""

import argparse
import sys
from typing import TYPE_CHECKING

from mmwsss.utils.cli import add_arguments, default_work_dir, make_parser, run_tool

if TYPE_CHECKING:
    from mmengine.config import Config


def parse_args() -> argparse.Namespace:
    parser = make_parser(__doc__, 'config')
    parser.add_argument('checkpoint', help='checkpoint file')
    parser.add_argument('--out', help='also write the metrics to this JSON file')
    add_arguments(parser, 'work_dir', 'device', 'cfg_options', 'launcher')
    return parser.parse_args()


def use_validation(cfg: 'Config') -> None:
    """Take the validation set where there is no test set.

    Raises:
        ValueError: There is neither.
    """
    if cfg.get('test_dataloader'):
        return
    if not cfg.get('val_dataloader'):
        raise ValueError('the config has neither test_dataloader nor val_dataloader, so there is '
                         'nothing to score on: give one of them, with its evaluator')
    cfg.test_dataloader, cfg.test_evaluator = cfg.val_dataloader, cfg.get('val_evaluator')
    cfg.test_cfg = dict(type='TestLoop')


def run(args: argparse.Namespace) -> None:
    from mmengine.dist import is_main_process

    from mmwsss.engine import WSSSRunner
    from mmwsss.inference import read_config
    from mmwsss.inference.model import load_weights
    from mmwsss.structures.artifacts import write_record
    from mmwsss.utils import setup_launcher
    from mmwsss.utils.model_wrapper import unwrap_model
    cfg = read_config(args.config, args.cfg_options)
    use_validation(cfg)
    cfg.work_dir = args.work_dir or default_work_dir(args.config, cfg)
    cfg.load_from, cfg.resume = None, False
    setup_launcher(cfg, args.launcher)
    runner = WSSSRunner.from_cfg(cfg)
    load_weights(unwrap_model(runner.model), args.checkpoint)
    metrics = runner.test()
    if args.out and is_main_process():
        write_record(args.out, metrics)


if __name__ == '__main__':
    sys.exit(run_tool(run, parse_args()))
