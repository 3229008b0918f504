"""CAMs, masks and overlays of images, without a data set.

    python tools/infer_cams.py CONFIG CHECKPOINT IMAGE_OR_FOLDER [...] --out DIR
    python tools/infer_cams.py CONFIG CHECKPOINT cat.jpg --out DIR --labels cat --refine crf

Writes cams/<name>.npz, masks/<name>.png and overlays/<name>.png. Without --labels the classifier is
asked which classes an image holds.
"""

import argparse
import sys

from mmwsss.utils.cli import add_arguments, at_least, make_parser, run_tool


def parse_args() -> argparse.Namespace:
    parser = make_parser(__doc__, 'config')
    parser.add_argument('checkpoint')
    parser.add_argument('images', nargs='+', help='files and folders')
    parser.add_argument('--out', required=True)
    parser.add_argument('--labels', nargs='+', help='classes of all the images')
    parser.add_argument('--threshold', type=float, default=0.3, help='background of the mask')
    parser.add_argument('--batch-size', type=at_least(1), default=1)
    parser.add_argument('--network', help='psa, irn: config that the network was trained with')
    parser.add_argument('--network-checkpoint', help='psa, irn: its weights')
    add_arguments(parser, 'refine', 'device', 'cfg_options')
    return parser.parse_args()


def run(args: argparse.Namespace) -> int:
    from mmwsss.apis import CAMInferencer
    from mmwsss.inference import read_config, refiner_config
    from mmwsss.utils.images import list_images
    images = list_images(args.images)
    cfg = read_config(args.config, args.cfg_options)
    refiner = None
    if args.refine:
        refiner = refiner_config(*args.refine, args.network, args.network_checkpoint,
                                 changed=cfg.get('refiners'))
    infer = CAMInferencer(cfg, args.checkpoint, args.device, threshold=args.threshold,
                          refiner=refiner)
    failed: dict[str, str] = {}
    for result in infer.stream(images, args.labels, args.batch_size, args.out, failed):
        print(f'{result["name"]}: {", ".join(result["labels"])}')
    for message in failed.values():
        print(f'warning: {message}', file=sys.stderr)
    return int(bool(failed))


if __name__ == '__main__':
    sys.exit(run_tool(run, parse_args()))
