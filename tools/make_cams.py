"""CAM files of a trained classifier: the pipeline's CAM stage called alone.

    python tools/make_cams.py CONFIG
    python tools/make_cams.py CONFIG CHECKPOINT --out DIR --loader val --score
    torchrun --nproc_per_node 2 tools/make_cams.py CONFIG CHECKPOINT --out DIR \\
        --launcher pytorch

Everything comes from the config and its work dir, and every option overrides: the images (those of
train_dataloader, val_dataloader and test_dataloader), scales and normalisation (pipeline.cam over
model.test_cfg), the checkpoint (of tools/run_pipeline.py or tools/train.py in the work dir). Files
that are there are kept, so after an interruption the same command resumes; a folder of CAMs that
were made with another checkpoint, another model or other options is refused. Where the images have
ground truth (--score), the seeds are scored at every threshold.
"""

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from mmwsss.utils.cli import add_arguments, at_least, default_work_dir, make_parser, run_tool

if TYPE_CHECKING:
    from mmwsss.datasets.splits import Split


def parse_args() -> argparse.Namespace:
    parser = make_parser(__doc__, 'config')
    parser.add_argument('checkpoint', nargs='?', help='default: the newest of the work dir')
    parser.add_argument('--out', help='folder of the CAM files; default: <work dir>/cams')
    parser.add_argument('--loader', choices=('train', 'val', 'test'),
                        help='only the images of train_dataloader, ...; default: all')
    parser.add_argument('--scales', type=float, nargs='+', help='default: those of the config')
    parser.add_argument('--flip', dest='flip', action='store_true', default=None)
    parser.add_argument('--no-flip', dest='flip', action='store_false')
    parser.add_argument('--stride', type=at_least(1), help='keep the CAM at 1/stride')
    parser.add_argument('--batch-size', type=at_least(1), help='images of equal size together')
    parser.add_argument('--num-workers', type=at_least(0))
    parser.add_argument('--overwrite', action='store_true')
    parser.add_argument('--score', action='store_true', help='score the seeds')
    add_arguments(parser, 'work_dir', 'device', 'launcher', 'cfg_options')
    return parser.parse_args()


def run(args: argparse.Namespace) -> None:
    from mmengine.dist import is_main_process

    from mmwsss.datasets.splits import Split
    from mmwsss.inference import cam_options, read_config
    from mmwsss.inference.cam_options import file_options
    from mmwsss.inference.settings import check_settings, model_digest
    from mmwsss.pipeline import Context, make_cams
    from mmwsss.utils import setup_launcher
    from mmwsss.utils.io import file_digest
    cfg = read_config(args.config, args.cfg_options)
    setup_launcher(cfg, args.launcher)
    work_dir = Path(args.work_dir or default_work_dir(args.config, cfg))
    context = Context(cfg, work_dir, device=args.device)
    folder = Path(args.out or work_dir / 'cams')
    dataset = context.images_of(args.loader)
    checkpoint = args.checkpoint or context.checkpoint('classify')
    changed = dict(scales=args.scales, flip=args.flip, stride=args.stride)
    check_settings(folder, dict(
        checkpoint=file_digest(checkpoint), model=model_digest(cfg),
        options=file_options(cam_options(cfg, **changed))), 'CAMs', args.overwrite)
    make_cams(context, checkpoint, folder, dataset, args.overwrite, **changed,
              batch_size=args.batch_size, num_workers=args.num_workers)
    if args.score and is_main_process():
        score(context.scored if args.loader is None else [Split(dataset)], folder)


def score(splits: 'list[Split]', folder: Path) -> None:
    """Print the scores of the seeds and write them to ``metrics.json`` (of several splits:
    ``metrics_<split>.json``).

    Raises:
        ValueError: There is no ground truth.
    """
    from mmwsss.inference import score_cams
    if not splits or not all(split.has_ground_truth for split in splits):
        raise ValueError('--score: the images have no ground truth; the CAMs are made')
    for split in splits:
        name = 'metrics.json' if len(splits) == 1 else f'metrics_{split.name}.json'
        scores = score_cams(split, folder, out_file=str(folder / name))
        print(f'{split.name}:')
        print('\n'.join(f'{key}: {value:.2f}' for key, value in scores.items()))


if __name__ == '__main__':
    sys.exit(run_tool(run, parse_args()))
