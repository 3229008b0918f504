"""Score a checkpoint on the test set of its config."""

import argparse
import json
import os
import os.path as osp
import sys

import mmwsss  # noqa: F401 - first, since it prepares the import of mmengine

# isort: split
import numpy as np
from mmengine.config import Config, DictAction
from mmengine.dist import is_main_process
from mmengine.runner import Runner

from mmwsss.utils import atomic_write, friendly_errors, register_safe_loader, setup_launcher


def parse_args():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('config', help='config file')
    parser.add_argument('checkpoint', help='checkpoint file')
    parser.add_argument('--work-dir', help='folder of the logs; by default '
                        'work_dirs/<name of the config>')
    parser.add_argument('--out', help='also write the metrics to this JSON file')
    parser.add_argument(
        '--cfg-options', nargs='+', action=DictAction, metavar='KEY=VALUE',
        help='change the config, e.g. test_dataloader.batch_size=4')
    parser.add_argument('--launcher', choices=['none', 'pytorch', 'slurm', 'mpi'], default='none')
    parser.add_argument('--local_rank', '--local-rank', type=int, default=0)
    args = parser.parse_args()
    os.environ.setdefault('LOCAL_RANK', str(args.local_rank))
    return args


def plain(value):
    """For JSON: arrays as lists."""
    if isinstance(value, (np.ndarray, np.generic)) or hasattr(value, 'tolist'):
        return value.tolist()
    return str(value)


def main():
    args = parse_args()
    # So that custom_imports finds what lies in the working folder, as projects/.
    sys.path.insert(0, os.getcwd())
    with friendly_errors():
        cfg = Config.fromfile(args.config)
        if args.cfg_options:
            cfg.merge_from_dict(args.cfg_options)
        cfg.work_dir = args.work_dir or cfg.get('work_dir') or osp.join(
            'work_dirs', osp.splitext(osp.basename(args.config))[0])
        cfg.load_from = args.checkpoint
        cfg.resume = False
        register_safe_loader()
        setup_launcher(cfg, args.launcher)
        metrics = Runner.from_cfg(cfg).test()
        if args.out and is_main_process():
            with atomic_write(args.out) as file:
                json.dump(metrics, file, indent=2, default=plain)


if __name__ == '__main__':
    main()
