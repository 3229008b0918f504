"""Background thresholds that need no ground truth, measured against the best one.

    python tools/benchmarks/threshold_rules.py CONFIG --cams DIR [--loader val] [--share 0.3]

For each rule of mmwsss/inference/thresholds.py: the threshold, the mIoU of the seeds there, and how
much it misses the oracle, the best of the thresholds 0, 0.01, ... 1. The images are those of a
loader of the config, and need ground truth for the comparison alone.
"""

import argparse
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from mmwsss.utils.cli import add_arguments, make_parser, run_tool

if TYPE_CHECKING:
    from mmwsss.datasets.splits import Split


def parse_args() -> argparse.Namespace:
    parser = make_parser(__doc__, 'config')
    parser.add_argument('--cams', required=True, help='folder of CAM files')
    parser.add_argument('--loader', default='val', choices=('train', 'val', 'test'))
    parser.add_argument('--share', type=float, nargs='*', default=[0.2, 0.3],
                        help='shares of foreground to try with the rule mean_share')
    parser.add_argument('--no-crf', action='store_true', help='leave the rule "crf" out')
    add_arguments(parser, 'cfg_options')
    return parser.parse_args()


def compare(split: 'Split', cams: str, shares: list[float], crf: bool) -> list[dict]:
    """One row per rule: ``rule``, ``threshold``, ``mIoU``, ``miss`` (to the oracle, in points) and
    ``seconds``; the oracle first.

    Args:
        split: Images with ground truth.
        cams: Folder of their CAM files.
        shares: For ``mean_share``.
        crf: Also the rule ``crf``.
    """
    from mmwsss.inference import RULES, choose_threshold, score_cams
    from mmwsss.structures.artifacts import read_record
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / 'seeds.json'
        oracle = score_cams(split, cams, thresholds=(0., 1., 0.01), held_out=0, out_file=file)
        curve = read_record(file)['curve']
    infos = [split.dataset.get_data_info(i) for i in range(len(split))]
    images = {info['name']: info['img_path'] for info in infos}
    best = oracle['mIoU@oracle']
    rows = [dict(rule='oracle', threshold=oracle['threshold@oracle'], mIoU=best, miss=0.,
                 seconds=0.)]
    rules = [(rule, rule, {}) for rule in (*RULES, *(['crf'] if crf else []))]
    rules += [(f'mean_share={share:g}', 'mean_share', dict(share=share)) for share in shares]
    for label, rule, options in rules:
        begin = time.perf_counter()
        threshold = choose_threshold(cams, split.names, rule, images, **options)
        seconds = time.perf_counter() - begin
        miou = float(np.interp(threshold, curve['thresholds'], curve['mIoU']))
        rows.append(dict(rule=label, threshold=threshold, mIoU=miou, miss=best - miou,
                         seconds=seconds))
    return rows


def run(args: argparse.Namespace) -> None:
    from mmwsss.datasets.splits import Split
    from mmwsss.inference import read_config
    cfg = read_config(args.config, args.cfg_options)
    split = Split(cfg[f'{args.loader}_dataloader']['dataset'])
    if not split.has_ground_truth:
        raise ValueError(f'the images of {args.loader}_dataloader have no ground truth to compare '
                         'with')
    print(f'{len(split)} images of {split.name}, {args.cams}')
    print(f'{"rule":<18}{"threshold":>10}{"mIoU":>8}{"miss":>8}{"seconds":>9}')
    for row in compare(split, args.cams, args.share, not args.no_crf):
        print(f'{row["rule"]:<18}{row["threshold"]:>10.3f}{row["mIoU"]:>8.2f}{row["miss"]:>8.2f}'
              f'{row["seconds"]:>9.1f}')


if __name__ == '__main__':
    sys.exit(run_tool(run, parse_args()))
