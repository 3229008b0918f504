"""CAM files to pseudo masks.

    python tools/generate_masks.py CONFIG --cams DIR --out DIR --refine crf
    python tools/generate_masks.py CONFIG --cams DIR --out DIR --refine psa \\
        --network configs/psa/affinity_r38_voc.py --checkpoint affinity.pth

CONFIG is that of the classifier: it names the data set, and may bring options of the refiners, e.g.
refiners = dict(irn=dict(bg=0.3)); --options come after them. "ir_label" and "affinity" make what
IRNet and AffinityNet learn from. After an interruption run the same again: what is done is kept. If
an image failed, the others are made, the exit code is 1, and the same again does only the failed.
"""

import argparse
import os
import sys

import mmwsss  # noqa: F401 - first, since it prepares the import of mmengine

# isort: split
from mmengine.config import Config, DictAction
from mmengine.dist import is_main_process

from mmwsss.evaluation import mask_iou
from mmwsss.inference.cams import build_cam_dataset, read_config
from mmwsss.pipeline.masks import REFINERS, generate_masks, refiner_config
from mmwsss.utils import friendly_errors, setup_launcher


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('config', help='config of the classifier (for its data set)')
    parser.add_argument('--cams', required=True, help='folder of CAM files')
    parser.add_argument('--out', required=True, help='folder of the masks')
    parser.add_argument('--refine', default='none', choices=sorted(REFINERS))
    parser.add_argument('--loader', default='train', choices=('train', 'val', 'test'),
                        help='whose images: train_dataloader, ...')
    parser.add_argument('--network', help='psa, irn: config that the network was trained with')
    parser.add_argument('--checkpoint', help='psa, irn: its weights')
    parser.add_argument('--options', nargs='+', action=DictAction, default={}, metavar='KEY=VALUE',
                        help='options of the refiner, e.g. bg=0.3, or alpha=6 log_steps=6')
    parser.add_argument('--num-workers', type=int, default=2, help='processes per rank')
    parser.add_argument('--device', help='of the network; default: a GPU if there is one')
    parser.add_argument('--launcher', default='none', choices=('none', 'pytorch', 'slurm', 'mpi'))
    parser.add_argument('--local_rank', '--local-rank', type=int, default=0)
    parser.add_argument('--cfg-options', nargs='+', action=DictAction, default={},
                        metavar='KEY=VALUE', help='changes of the config')
    return parser.parse_args()


def main() -> int:
    args = parse_args()
    # So that custom_imports finds what lies in the working folder, as projects/.
    sys.path.insert(0, os.getcwd())
    with friendly_errors():
        return run(args)


def run(args: argparse.Namespace) -> int:
    setup_launcher(Config(dict()), args.launcher)
    cfg = read_config(args.config)
    cfg.merge_from_dict(args.cfg_options)
    options = {**cfg.get('refiners', {}).get(args.refine, {}), **args.options}
    if args.device:
        options['device'] = args.device
    refiner = refiner_config(args.refine, options, args.network, args.checkpoint)
    dataset = build_cam_dataset(cfg[f'{args.loader}_dataloader']['dataset'])
    report = generate_masks(dataset, args.cams, args.out, refiner, args.num_workers)
    if not is_main_process():
        return 0
    print(f'{report.made} made, {report.skipped} kept, {len(report.failed)} failed')
    if report.failed:
        print(f'why: {os.path.join(args.out, "failed.json")}', file=sys.stderr)
        return 1
    print_score(dataset, args.out)
    return 0


def print_score(dataset, out_dir: str) -> None:
    """mIoU, where the ground truth of the list is at hand and masks were made."""
    infos = [dataset.get_data_info(i) for i in range(len(dataset))]
    names = [info['name'] for info in infos]
    exact = [info.get('seg_map_path', '') for info in infos]
    if not (all(map(os.path.isfile, exact))
            and os.path.isfile(os.path.join(out_dir, f'{names[0]}.png'))):
        return
    gt_dir = exact[0][:-len(f'{names[0]}.png')]
    classes = dataset.metainfo['classes']
    scores = mask_iou(out_dir, gt_dir, names, len(classes), dataset.mask_lut)
    for name, iou in zip(('background', *classes), scores.pop('IoU')):
        print(f'  {name:<16}{iou:6.2f}')
    means = ', '.join(f'{key} {value:.2f}' for key, value in scores.items())
    print(f'{len(names)} masks: {means}')


if __name__ == '__main__':
    sys.exit(main())
