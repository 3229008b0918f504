"""CAM files to pseudo masks: the pipeline's mask stage called alone.

    python tools/generate_masks.py CONFIG
    python tools/generate_masks.py CONFIG --cams DIR --out DIR --refine crf bg=0.3
    python tools/generate_masks.py CONFIG --cams DIR --out DIR --refine type=MyMask bg=0.3
    python tools/generate_masks.py CONFIG --cams DIR --out DIR --refine psa \\
        --network configs/psa/affinity_r38_voc.py --checkpoint affinity.pth

Everything comes from the config and its work dir, and every option overrides: the images, the
refiner (pipeline.mask), its network and checkpoint (pipeline.affinity), the threshold rule.
--refine takes a preset, a registered refiner by type=..., or "labels" for what pipeline.affinity
learns from; a config may bring options of the presets, e.g. refiners = dict(irn=dict(bg=0.3)). bg
may be a rule: oracle, held_out, auto. After an interruption run the same again: files that are
there are kept. If an image failed, the others are made, the exit code is 1, and the same again
makes only the failed. Of a refiner with keep, the scores are those of the whole masks (whole/).
"""

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mmwsss.utils.cli import add_arguments, at_least, default_work_dir, make_parser, run_tool

if TYPE_CHECKING:
    from mmwsss.datasets.splits import Split
    from mmwsss.pipeline import Context


def parse_args() -> argparse.Namespace:
    parser = make_parser(__doc__, 'config')
    parser.add_argument('--cams', help='folder of CAM files; default: that of the work dir')
    parser.add_argument('--out', help='folder of the masks; default: <work dir>/masks')
    parser.add_argument('--loader', choices=('train', 'val', 'test'),
                        help='only the images of train_dataloader, ...; default: all')
    parser.add_argument('--network', help='psa, irn: config that the network was trained with')
    parser.add_argument('--checkpoint', help='psa, irn: its weights')
    parser.add_argument('--num-workers', type=at_least(0), help='processes per rank')
    add_arguments(parser, 'refine', 'work_dir', 'device', 'launcher', 'cfg_options')
    return parser.parse_args()


def refiner_of(args: argparse.Namespace, context: 'Context') -> dict:
    """The config of the refiner that the command line and the config ask for."""
    from mmwsss.inference import read_config, refiner_config
    from mmwsss.inference.masks import replace_background
    name, options = args.refine or (None, {})
    affinity = context.options.get('affinity')
    if name == 'labels':
        if not affinity:
            raise ValueError('--refine labels: the config has no pipeline.affinity')
        return {**affinity['labels'], **options}
    if name is None and 'type' not in options:
        config = replace_background(context.mask_options, options)
        if args.network:
            config['model'] = read_config(args.network).model
        return config
    return refiner_config(name, options, args.network, changed=context.cfg.get('refiners'))


def network_of(config: dict, args: argparse.Namespace, context: 'Context') -> Any:
    """Checkpoint of the refiner's network: that of the command line, the config or the work dir."""
    if args.checkpoint or config.get('checkpoint'):
        return args.checkpoint or config['checkpoint']
    network = context.options.get('affinity')
    uses_it = network and config['type'] == context.mask_options['type']
    return context.checkpoint('affinity', network['config']) if uses_it else None


def run(args: argparse.Namespace) -> int:
    from mmengine.dist import is_main_process

    from mmwsss.inference import read_config
    from mmwsss.inference.masks import scored_folder
    from mmwsss.pipeline import Context, make_masks
    from mmwsss.utils import setup_launcher
    cfg = read_config(args.config, args.cfg_options)
    setup_launcher(cfg, args.launcher)
    work_dir = Path(args.work_dir or default_work_dir(args.config, cfg))
    context = Context(cfg, work_dir, device=args.device)
    config = refiner_of(args, context)
    checkpoint = network_of(config, args, context)
    if checkpoint is not None:
        config['checkpoint'] = str(checkpoint)
    if args.device and checkpoint is not None:
        config['device'] = args.device
    cams = Path(args.cams or next((path for path in (
        work_dir / 'cams', work_dir / 'pipeline' / 'cam', work_dir / 'cam') if path.is_dir()),
        work_dir / 'cams'))
    out = Path(args.out or work_dir / 'masks')
    dataset = context.images_of(args.loader)
    report, threshold, rule = make_masks(context, cams, out, config, dataset=dataset,
                                         workers=args.num_workers)
    if not is_main_process():
        return 0
    print(f'{report.made} made, {report.skipped} kept, {len(report.failed)} failed')
    if rule:
        print(f'background threshold {threshold:g} ({rule})')
    if report.failed:
        print(f'why: {out / "failed.json"}', file=sys.stderr)
        return 1
    for split in {tuple(split.names): split for split in splits_of(args.loader, context)}.values():
        print_score(split, scored_folder(out, config.get('keep')))
    return 0


def splits_of(loader: str | None, context: 'Context') -> 'list[Split]':
    """The images that masks were made of, each list by itself."""
    from mmwsss.datasets.splits import Split
    if loader is not None:
        return [Split(context.images_of(loader))]
    train = [Split(context.train_set)] if context.cfg.get('train_dataloader') else []
    return [*context.splits, *train]


def print_score(split: 'Split', folder: Path) -> None:
    """mIoU, where the split has ground truth and masks were made."""
    if not split.has_ground_truth or not (folder / f'{split.names[0]}.png').is_file():
        return
    from mmwsss.evaluation import mask_iou
    scores = mask_iou(folder, split)
    for name, iou in zip(('background', *split.classes), scores.pop('IoU')):
        print(f'  {name:<16}{iou:6.2f}')
    means = ', '.join(f'{key} {value:.2f}' for key, value in scores.items())
    print(f'{split.name}: {len(split)} masks: {means}')


if __name__ == '__main__':
    sys.exit(run_tool(run, parse_args()))
