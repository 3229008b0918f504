"""What the network sees: images after the transforms, their views and masks.

    python tools/analysis_tools/browse_dataset.py CONFIG --out DIR [--num 16] [--epoch 10]

One image per sample: every view (image, paired, strong, ...) with the names of its classes, and
the mask, prior mask or saliency map where the pipeline loads one. For classifier and segmentation
configs.
"""

import argparse
import sys
from pathlib import Path

import numpy as np

from mmwsss.utils.cli import add_arguments, at_least, make_parser, run_tool

MASKS = dict(gt_sem_seg='mask', prior_mask='prior mask', saliency='saliency')


def parse_args() -> argparse.Namespace:
    parser = make_parser(__doc__, 'config')
    parser.add_argument('--out', required=True, help='folder of the images')
    parser.add_argument('--loader', default='train', choices=('train', 'val', 'test'))
    parser.add_argument('--num', type=at_least(1), default=16,
                        help='samples, spread over the data set')
    parser.add_argument('--epoch', type=at_least(0), default=0,
                        help='some views begin later than 0')
    parser.add_argument('--height', type=at_least(1), default=240, help='of each cell in pixels')
    add_arguments(parser, 'cfg_options')
    return parser.parse_args()


def cells(sample: dict, classes: list, palette: list) -> list[tuple[str, np.ndarray]]:
    """Captions and images of a sample.

    Raises:
        ValueError: The pipeline does not end with a packing transform.
    """
    from torch import Tensor

    from mmwsss.visualization import overlay_cam, overlay_mask
    if 'inputs' not in sample:
        raise ValueError('the pipeline must end with PackWSSSInputs or mmseg.PackSegInputs')
    views, records = sample['inputs'], sample['data_samples']
    if isinstance(views, Tensor):
        views, records = dict(image=views), dict(image=records)
    found = []
    for view, tensor in views.items():
        bgr = tensor.float().clamp(0, 255).byte().numpy().transpose(1, 2, 0)
        image = np.ascontiguousarray(bgr[..., ::-1])
        record = records.get(view)
        label = getattr(record, 'gt_label', None)
        names = [] if label is None else [classes[i] for i in label.nonzero()[:, 0].tolist()]
        found.append((f'{view} {" ".join(names)}', image))
        for key, caption in MASKS.items():
            mask = getattr(record, key, None)
            if mask is None:
                continue
            mask = np.squeeze(getattr(mask, 'data', mask).numpy())
            found.append((caption, overlay_cam(image, mask) if key == 'saliency'
                          else overlay_mask(image, mask.astype(np.uint8), palette)))
    return found


def run(args: argparse.Namespace) -> None:
    from mmwsss.datasets.samplers import EpochIndex
    from mmwsss.inference import read_config
    from mmwsss.registry import DATASETS
    from mmwsss.utils.images import write_image
    from mmwsss.utils.progress import track
    from mmwsss.visualization import draw_grid
    cfg = read_config(args.config, args.cfg_options)
    dataset = DATASETS.build(cfg[f'{args.loader}_dataloader']['dataset'])
    meta = dataset.metainfo
    classes = [name for name in meta['classes'] if name != 'background']
    step = max(len(dataset) / args.num, 1)
    for k in track(range(min(args.num, len(dataset))), 'samples'):
        index = int(k * step)
        row = cells(dataset[EpochIndex(index, args.epoch)], classes, meta.get('palette') or [])
        name = dataset.get_data_info(index).get('name', f'{index:06d}')
        write_image(Path(args.out) / f'{name}.png', draw_grid([row], args.height))


if __name__ == '__main__':
    sys.exit(run_tool(run, parse_args()))
