"""Which refinement settings suit a set of CAMs: mIoU over CRF alpha, beta, steps and thresholds.

    python tools/analysis_tools/sweep_refinement.py CONFIG --cams DIR --refine none
    python tools/analysis_tools/sweep_refinement.py CONFIG --cams DIR --refine crf --alpha 2 4 8 16
    python tools/analysis_tools/sweep_refinement.py CONFIG --cams DIR --refine crf --alpha \\
        --bg 0.1 0.2 0.3 --unary labels --crf irn_label
    python tools/analysis_tools/sweep_refinement.py CONFIG --cams DIR --refine psa --alpha 4 8 16 \\
        --beta 4 8 --log-steps 4 6 8 --network configs/psa/affinity_r38_voc.py --checkpoint net.pth

Everything shared is done once per image: one CRF per alpha, one network pass, one walk per beta
(its intermediate steps are the smaller log_steps; all alphas walk together with the classes), all
constant backgrounds from one histogram. Tune on images that you do not report.
"""

import argparse
import sys
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

import numpy as np

from mmwsss.utils.cli import add_arguments, at_least, make_parser, run_tool

if TYPE_CHECKING:
    from mmwsss.datasets.splits import Split


class Sweep:
    """All settings on one image.

    Returns (when called with a record of the data set) a dict from a setting, a tuple of
    ``(name, value)`` pairs, to a confusion matrix, or to those of all thresholds (``bg=None``);
    of an image of no class, from None to the only one.
    """

    def __init__(self, args: argparse.Namespace, split: 'Split', changed: Mapping | None = None):
        from mmwsss.datasets.transforms import LoadImage
        from mmwsss.evaluation.seed import SWEEP, threshold_range
        from mmwsss.inference import refiner_config
        from mmwsss.models.refiners import with_background
        from mmwsss.registry import MODELS
        if not all(0 <= x <= 1 for x in args.bg):
            raise ValueError(f'--bg {args.bg}: backgrounds must be in [0, 1]')
        self.with_background = with_background
        self.cam_dir = args.cams
        self.split = split
        self.num_classes = split.num_classes
        self.alphas = args.alpha
        self.betas = args.beta
        self.log_steps = args.log_steps
        self.thresholds = threshold_range(*(args.thresholds or SWEEP))
        self.settings = dict(none=self.seeds, crf=self.crf, psa=self.psa, irn=self.irn)[args.refine]
        self.backgrounds = [dict(alpha=x) for x in args.alpha] + [dict(bg=x) for x in args.bg]
        if args.refine == 'crf':
            options = dict(unary=args.unary) if args.unary else {}
            config = refiner_config('crf', options, changed=changed)
            self.crfs = {str(preset): MODELS.build(dict(config, preset=preset)).first_crf
                         for preset in args.crf or [config['preset']]}
        if args.refine in ('psa', 'irn'):
            options = dict(device=args.device) if args.device else {}
            self.refiner = MODELS.build(
                refiner_config(args.refine, options, args.network, args.checkpoint, changed))
        self.load = LoadImage()

    def __call__(self, info: dict) -> dict:
        from mmwsss.datasets.mask_ids import mask_ids_of
        from mmwsss.evaluation import confusion_matrix, seed_confusion
        from mmwsss.models.utils.cam import resize_cam
        from mmwsss.structures.artifacts import load_cam
        image = self.load(dict(img_path=info['img_path']))['img']
        cam, keys, *_ = load_cam(f'{self.cam_dir}/{info["name"]}.npz')
        gt = self.split.ground_truth(info['name'])
        if not len(keys):
            return {None: confusion_matrix(np.zeros_like(gt), gt, self.num_classes)}
        cam = resize_cam(cam, image.shape[:2]).numpy()
        results = {}
        for setting, scores, constant in self.settings(image, cam):
            if constant:
                counts = seed_confusion(scores, keys, gt, self.thresholds, self.num_classes)
            else:
                mask = mask_ids_of(keys)[scores.argmax(0)]
                counts = confusion_matrix(mask, gt, self.num_classes)
            results[tuple(setting.items())] = counts
        return results

    # Each yields: setting, scores, and whether they are of the classes only, for all thresholds.
    def seeds(self, image: np.ndarray, cam: np.ndarray) -> Iterator[tuple]:
        yield {}, cam, True
        for alpha in self.alphas:
            yield dict(alpha=alpha), self.with_background(cam, alpha=alpha), False

    def crf(self, image: np.ndarray, cam: np.ndarray) -> Iterator[tuple]:
        for background in self.backgrounds:
            scores = self.with_background(cam, **background)
            for name, crf in self.crfs.items():
                yield dict(crf=name, **background), crf(image, scores), False

    def psa(self, image: np.ndarray, cam: np.ndarray) -> Iterator[tuple]:
        backgrounds = [self.with_background(cam, alpha=alpha)[:1] for alpha in self.alphas]
        stack = np.concatenate([np.ones_like(cam[:1]), *backgrounds, cam])
        for beta, log, walked in self.refiner.walks(image, stack, self.betas, self.log_steps):
            setting = dict(beta=beta, log_steps=log)
            ones, scores = walked[:1], walked[1 + len(self.alphas):]
            # A constant background walks like the constant 1, up to the padding.
            yield setting, np.clip(scores / np.maximum(ones, 1e-12), 0, 1), True
            for i, alpha in enumerate(self.alphas, 1):
                yield dict(setting, alpha=alpha), np.concatenate([walked[i:i + 1], scores]), False

    def irn(self, image: np.ndarray, cam: np.ndarray) -> Iterator[tuple]:
        for beta, log, walked in self.refiner.walks(image, cam, self.betas, self.log_steps):
            yield dict(beta=beta, log_steps=log), walked, True


def table(totals: dict, thresholds: np.ndarray) -> list[dict]:
    """One row per setting, the best first; a sweep of thresholds gives the row of its best. Images
    of no class (None) count in all of them."""
    from mmwsss.evaluation import mean_scores
    of_no_class, rows = totals.get(None), []
    for setting, counts in totals.items():
        if setting is None:
            continue
        if of_no_class is not None:  # a sweep has no column of ignored predictions
            counts = counts + of_no_class[:, :counts.shape[-1]]
        row = dict(setting)
        if counts.ndim == 3:
            curve = [mean_scores(confusion)['mIoU'] for confusion in counts]
            best = int(np.argmax(curve))
            row['bg'] = round(float(thresholds[best]), 4)
            counts = counts[best]
        scores = {key: round(value, 2) for key, value in mean_scores(counts).items()}
        rows.append(dict(row, **scores))
    return sorted(rows, key=lambda row: -row['mIoU'])


def parse_args() -> argparse.Namespace:
    parser = make_parser(__doc__, 'config')
    parser.add_argument('--cams', required=True, help='folder of CAM files')
    parser.add_argument('--refine', required=True, choices=('none', 'crf', 'psa', 'irn'))
    parser.add_argument('--loader', default='val', choices=('train', 'val', 'test'))
    parser.add_argument('--images', type=at_least(1), help='only the first n')
    parser.add_argument('--alpha', type=float, nargs='*', default=[2, 4, 8, 16, 32])
    parser.add_argument('--beta', type=float, nargs='+', default=[8])
    parser.add_argument('--log-steps', type=at_least(0), nargs='+', default=[6, 8])
    parser.add_argument('--thresholds', type=float, nargs=3, metavar=('START', 'STOP', 'STEP'),
                        help='constant backgrounds (default: those of SeedMetric)')
    parser.add_argument('--bg', type=float, nargs='*', default=[],
                        help='crf: constant backgrounds, beside those of --alpha')
    parser.add_argument('--unary', choices=('scores', 'labels'),
                        help="crf: what it starts from, as in CRFMask; default: the config's")
    parser.add_argument('--crf', nargs='+', help="presets; default: the config's")
    parser.add_argument('--network', help='psa, irn: config that the network was trained with')
    parser.add_argument('--checkpoint', help='psa, irn: its weights')
    parser.add_argument('--num-workers', type=at_least(0), default=2)
    parser.add_argument('--out', help='write all rows to this JSON file')
    add_arguments(parser, 'device', 'cfg_options')
    return parser.parse_args()


def run(args: argparse.Namespace) -> None:
    from mmwsss.datasets.splits import Split
    from mmwsss.inference import read_config
    from mmwsss.structures.artifacts import write_record
    from mmwsss.utils.parallel import ordered_map
    from mmwsss.utils.progress import track
    cfg = read_config(args.config, args.cfg_options)
    loader = cfg.get(f'{args.loader}_dataloader')
    split = loader and Split(loader['dataset'])
    if not split or not split.has_ground_truth:
        raise ValueError(f'the images of {args.loader}_dataloader have no ground truth to score on')
    infos = [split.dataset.get_data_info(i) for i in range(len(split))][:args.images]
    sweep = Sweep(args, split, cfg.get('refiners'))
    on_gpu = hasattr(sweep, 'refiner') and sweep.refiner.device.type != 'cpu'
    totals: dict = {}
    results = ordered_map(sweep, infos, 0 if on_gpu else args.num_workers)
    for info, counts, error in track(results, 'images', len(infos)):
        if error is not None:
            raise ValueError(f'image "{info["name"]}": {error}')
        for setting, confusion in counts.items():
            totals[setting] = totals.get(setting, 0) + confusion
    rows = table(totals, sweep.thresholds)
    keys = list(dict.fromkeys(key for row in rows for key in row))
    keys.sort(key=lambda key: key[0] in 'mF')  # scores last
    print(f'{len(infos)} images of {args.loader}_dataloader, best first')
    print(' '.join(f'{key:>10}' for key in keys))
    for row in rows:
        print(' '.join(f'{row.get(key, "-"):>10}' for key in keys))
    if args.out:
        write_record(args.out, rows)


if __name__ == '__main__':
    sys.exit(run_tool(run, parse_args()))
