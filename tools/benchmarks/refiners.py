"""Which refinement is a safe default: mIoU of seeds, PAR and CRFs at thresholds chosen with and
without ground truth.

    python tools/benchmarks/refiners.py CONFIG --cams DIR --images 100

One row a refiner; the columns are the seed's label-free threshold (``auto``), the best threshold
of the seed (``seed``), and the best of the refined masks around the latter (``refined``). The
thresholds of the last two are chosen on the images that are scored.
"""

import argparse
import sys

import mmwsss  # noqa: F401 - first, since it prepares the import of mmengine

# isort: split
import numpy as np

from mmwsss.datasets.splits import Split
from mmwsss.inference import choose_threshold, read_config, score_cams
from mmwsss.inference.refined import candidates, refined_curve
from mmwsss.utils.cli import add_arguments, make_parser, run_tool
from mmwsss.utils.spread import spread

REFINERS = {
    'none': dict(type='ThresholdMask'),
    'PAR': dict(type='PARMask'),
    'CRF psa': dict(type='CRFMask', preset='psa'),
    'CRF irn_label, scores': dict(type='CRFMask', preset='irn_label'),
    'CRF irn_label, labels': dict(type='CRFMask', preset='irn_label', unary='labels'),
    'CRF psa, labels': dict(type='CRFMask', preset='psa', unary='labels'),
}


def parse_args() -> argparse.Namespace:
    parser = make_parser(__doc__, 'config')
    parser.add_argument('--cams', required=True, help='folder of CAM files')
    parser.add_argument('--loader', default='val', choices=('train', 'val', 'test'))
    parser.add_argument('--images', type=int, default=100, help='so many, evenly spread')
    parser.add_argument('--refiners', nargs='+', choices=REFINERS, default=list(REFINERS))
    parser.add_argument('--num-workers', type=int, default=0)
    add_arguments(parser, 'cfg_options')
    return parser.parse_args()


def run(args: argparse.Namespace) -> None:
    cfg = read_config(args.config, args.cfg_options)
    data = dict(cfg[f'{args.loader}_dataloader']['dataset'])
    whole = Split(data)
    split = Split(dict(data, indices=spread(range(len(whole)), args.images)))
    seed = score_cams(split, args.cams)['threshold@oracle']
    auto = choose_threshold(args.cams, split.names)
    print(f'{len(split)} images; auto {auto:.2f}, best of the seed {seed:.2f}')
    print(f'{"refiner":<22}{"auto":>7}{"seed":>7}{"refined":>9}  at')
    for name in args.refiners:
        refiner = REFINERS[name]
        thresholds = sorted({auto, *candidates(seed)})
        curve = refined_curve(refiner, thresholds, split, args.cams, None, args.num_workers)
        by = dict(zip(thresholds, curve))
        best = thresholds[int(np.argmax(curve))]
        print(f'{name:<22}{by[auto]:7.1f}{by[seed]:7.1f}{max(curve):9.1f}  {best:.2f}', flush=True)


if __name__ == '__main__':
    sys.exit(run_tool(run, parse_args()))
