"""Train a classifier, an affinity network or a segmentation model from a config."""

import argparse
import os
import os.path as osp
import sys

import mmwsss  # noqa: F401 - first, since it prepares the import of mmengine

# isort: split
from mmengine.config import Config, DictAction
from mmengine.runner import Runner

from mmwsss.engine import use_amp, use_safe_checkpoints
from mmwsss.utils import (
    check_pretrained,
    friendly_errors,
    register_safe_loader,
    setup_launcher,
    use_ground_truth,
)


def parse_args():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('config', help='config file')
    parser.add_argument('--work-dir', help='folder of logs and checkpoints; by default '
                        'work_dirs/<name of the config>')
    parser.add_argument(
        '--resume', nargs='?', const='auto',
        help='go on from a checkpoint; without a path from the last one in the work dir, if any')
    parser.add_argument(
        '--amp', action='store_true',
        help='mixed precision: float16 on a GPU, bfloat16 on a CPU')
    parser.add_argument(
        '--supervised', action='store_true',
        help='train a segmentation model on ground truth instead of pseudo masks (upper bound)')
    parser.add_argument('--seed', type=int, help='seed of everything that is drawn')
    parser.add_argument(
        '--deterministic', action='store_true', help='deterministic algorithms on a GPU (slower)')
    parser.add_argument(
        '--auto-scale-lr', action='store_true',
        help="scale the rate by the config's auto_scale_lr=dict(base_batch_size=...)")
    parser.add_argument(
        '--cfg-options', nargs='+', action=DictAction, metavar='KEY=VALUE',
        help='change the config, e.g. train_cfg.max_epochs=5 model.head.num_classes=6')
    parser.add_argument('--launcher', choices=['none', 'pytorch', 'slurm', 'mpi'], default='none')
    parser.add_argument('--local_rank', '--local-rank', type=int, default=0)
    args = parser.parse_args()
    os.environ.setdefault('LOCAL_RANK', str(args.local_rank))
    return args


def load_config(args) -> Config:
    """The config file with the command line on top."""
    cfg = Config.fromfile(args.config)
    if args.cfg_options:
        cfg.merge_from_dict(args.cfg_options)
    if args.supervised:
        use_ground_truth(cfg)
    if args.work_dir:
        cfg.work_dir = args.work_dir
    elif cfg.get('work_dir') is None:
        cfg.work_dir = osp.join('work_dirs', osp.splitext(osp.basename(args.config))[0]
                                + '_supervised' * args.supervised)
    if args.resume:
        cfg.resume = True
        cfg.load_from = None if args.resume == 'auto' else args.resume
    use_safe_checkpoints(cfg)
    if args.amp:
        use_amp(cfg.optim_wrapper)
    if args.seed is not None or args.deterministic:
        cfg.randomness = {**cfg.get('randomness', {}), 'deterministic': args.deterministic}
        if args.seed is not None:
            cfg.randomness['seed'] = args.seed
    if args.auto_scale_lr:
        if 'base_batch_size' not in cfg.get('auto_scale_lr', {}):
            raise ValueError(f'--auto-scale-lr: {args.config} has no '
                             'auto_scale_lr=dict(base_batch_size=...), the batch its rate is for')
        cfg.auto_scale_lr.enable = True
    return cfg


def main():
    args = parse_args()
    # So that custom_imports finds what lies in the working folder, as projects/.
    sys.path.insert(0, os.getcwd())
    with friendly_errors():
        cfg = load_config(args)
        register_safe_loader()
        check_pretrained(cfg)
        setup_launcher(cfg, args.launcher)
        Runner.from_cfg(cfg).train()


if __name__ == '__main__':
    main()
