"""CAM files of a trained classifier.

    python tools/make_cams.py CONFIG CHECKPOINT --out DIR
    torchrun --nproc_per_node 2 tools/make_cams.py CONFIG CHECKPOINT --out DIR \\
        --launcher pytorch

What is there is kept, so after an interruption the same command goes on. Where the images have
ground truth (--score), the seeds are scored at every threshold.
"""

import argparse
import os
import sys
from pathlib import Path

import mmwsss  # noqa: F401 - first, since it prepares the import of mmengine

# isort: split
from mmengine.config import Config, DictAction
from mmengine.dist import is_main_process

from mmwsss.inference.cams import (
    build_cam_dataset,
    generate_cams,
    load_model,
    read_config,
    score_cams,
)
from mmwsss.utils import friendly_errors, setup_launcher


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('config')
    parser.add_argument('checkpoint')
    parser.add_argument('--out', required=True, help='folder of the CAM files')
    parser.add_argument('--loader', default='train', choices=('train', 'val', 'test'),
                        help='whose images: train_dataloader, ...')
    parser.add_argument('--scales', type=float, nargs='+', help='default: those of the config')
    parser.add_argument('--no-flip', action='store_true')
    parser.add_argument('--stride', type=int, default=1, help='keep the CAM at 1/stride')
    parser.add_argument('--batch-size', type=int, default=1, help='images of equal size together')
    parser.add_argument('--num-workers', type=int, default=2)
    parser.add_argument('--overwrite', action='store_true')
    parser.add_argument('--score', action='store_true', help='score the seeds')
    parser.add_argument('--device', choices=('cpu', 'cuda'))
    parser.add_argument('--launcher', default='none', choices=('none', 'pytorch', 'slurm', 'mpi'))
    parser.add_argument('--local_rank', '--local-rank', type=int, default=0)
    parser.add_argument('--cfg-options', nargs='+', action=DictAction, default={},
                        metavar='KEY=VALUE')
    return parser.parse_args()


def run(args: argparse.Namespace) -> None:
    setup_launcher(Config(dict()), args.launcher)
    cfg = read_config(args.config)
    cfg.merge_from_dict(args.cfg_options)
    options = {key: value for key, value in (cfg.get('pipeline') or {}).get('cam', {}).items()
               if key in ('scales', 'flip', 'relu', 'norm')}
    if args.scales:
        options['scales'] = args.scales
    if args.no_flip:
        options['flip'] = False
    dataset = build_cam_dataset(cfg[f'{args.loader}_dataloader']['dataset'], masks=args.score)
    model = load_model(cfg, args.checkpoint, args.device)
    generate_cams(model, dataset, args.out, stride=args.stride, batch_size=args.batch_size,
                  num_workers=args.num_workers, overwrite=args.overwrite, **options)
    if args.score and is_main_process():
        scores = score_cams(dataset, args.out, out_file=str(Path(args.out) / 'metrics.json'))
        print('\n'.join(f'{key}: {value:.2f}' for key, value in scores.items()))


def main() -> None:
    args = parse_args()
    sys.path.insert(0, os.getcwd())
    with friendly_errors():
        run(args)


if __name__ == '__main__':
    main()
