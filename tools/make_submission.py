"""Predictions of a segmentation model for images without ground truth.

    python tools/make_submission.py CONFIG CHECKPOINT OUT --ann-file ImageSets/Segmentation/test.txt

makes OUT/results.tgz as the VOC evaluation server wants it, with the masks
results/VOC2012/Segmentation/comp6_test_cls/<id>.png (comp6: initial weights from other data, as
ImageNet's).

    python tools/make_submission.py CONFIG CHECKPOINT OUT --format coco

makes OUT/results.json, COCO's list of results: one run-length code for each image and class.
Scales, flip and CRF are those of the config's model.test_cfg. What is there is kept, so after an
interruption the same command resumes.
"""

import argparse
import json
import sys
import tarfile
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from mmwsss.utils import atomic_write
from mmwsss.utils.cli import add_arguments, at_least, make_parser, run_tool
from mmwsss.utils.io import file_digest

if TYPE_CHECKING:
    from mmengine.config import Config
    from torch import nn
    from torch.utils.data import Dataset


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    parser = make_parser(__doc__, 'config')
    parser.add_argument('checkpoint')
    parser.add_argument('out', help='folder of the results')
    parser.add_argument('--format', choices=('voc', 'coco'), default='voc')
    parser.add_argument('--ann-file', help="list of the images' ids, relative to data_root; "
                        "by default that of test_dataloader ('' takes every image)")
    parser.add_argument('--img-dir', help='folder of the images, likewise')
    parser.add_argument('--competition', default='comp6', choices=('comp5', 'comp6'),
                        help='of VOC; comp5 is for models that saw no other data')
    parser.add_argument('--num-workers', type=at_least(0), default=2)
    add_arguments(parser, 'device', 'cfg_options')
    return parser.parse_args(argv)


def coco_results(folder: Path, names: list[str]) -> list[dict]:
    """COCO's results of masks that hold 0 and 1 to 80.

    Raises:
        ValueError: The name of an image ends with no number, or a mask has other ids.
    """
    from mmwsss.apis.exports import coco_rle
    from mmwsss.datasets.coco import CATEGORY_IDS
    from mmwsss.structures.artifacts import read_mask
    results = []
    for name in names:
        number = name.rsplit('_', 1)[-1]
        if not number.isdigit():
            raise ValueError(f'image "{name}" has no COCO name (COCO_test2014_000000000001)')
        mask = read_mask(folder / f'{name}.png')
        for index in np.unique(mask[mask > 0]):
            if index > len(CATEGORY_IDS):
                raise ValueError(f'mask of "{name}" holds class {index}, but COCO has '
                                 f'{len(CATEGORY_IDS)}; use a config of COCO')
            results.append(dict(
                image_id=int(number), category_id=CATEGORY_IDS[index - 1],
                segmentation=coco_rle(mask == index)))
    return results


def build_dataset(cfg: 'Config', args: argparse.Namespace) -> 'Dataset':
    """The images of the config's ``test_dataloader``, or others, without masks."""
    from mmwsss.registry import DATASETS
    if not cfg.get('test_dataloader'):
        raise ValueError(f'{args.config} has no test_dataloader, whose images are handed in; '
                         'tools/infer.py makes masks of any images')
    options = cfg.test_dataloader.dataset.to_dict()
    options.update(mask_dir=None, test_mode=True)
    options.update({key: value for key, value in (
        ('ann_file', args.ann_file), ('img_dir', args.img_dir)) if value is not None})
    return DATASETS.build(options)


def predict(model: 'nn.Module', dataset: 'Dataset', folder: Path, num_workers: int) -> list[str]:
    """Write the masks that are missing, with the ids of the data set's mask files.

    Returns:
        Names of all images.
    """
    import torch
    from mmengine.dataset import pseudo_collate
    from torch.utils.data import DataLoader, Subset

    from mmwsss.structures.artifacts import write_mask
    from mmwsss.utils.progress import track
    names = [dataset.get_data_info(i)['name'] for i in range(len(dataset))]
    todo = [i for i, name in enumerate(names) if not (folder / f'{name}.png').is_file()]
    loader = DataLoader(
        Subset(dataset, todo), num_workers=num_workers, collate_fn=pseudo_collate)
    for index, data in zip(todo, track(loader, 'images', total=len(todo))):
        with torch.no_grad():
            prediction = model.test_step(data)[0].pred_sem_seg.data[0].cpu().numpy()
        write_mask(folder / f'{names[index]}.png', dataset.mask_ids.encode(prediction))
    return names


def make_submission(args: argparse.Namespace) -> Path:
    """Make the file to hand in, and return its path."""
    from mmwsss.inference import load_model, read_config
    from mmwsss.inference.settings import check_settings, model_digest
    cfg = read_config(args.config, args.cfg_options)
    dataset = build_dataset(cfg, args)
    model = load_model(cfg, args.checkpoint, args.device)
    out = Path(args.out)
    check_settings(out, dict(checkpoint=file_digest(args.checkpoint), model=model_digest(cfg)),
                   'masks')
    part = ('masks' if args.format == 'coco' else
            f'results/VOC2012/Segmentation/{args.competition}_test_cls')
    names = predict(model, dataset, out / part, args.num_workers)
    if args.format == 'coco':
        result = out / 'results.json'
        with atomic_write(result) as file:
            json.dump(coco_results(out / part, names), file)
    else:
        result = out / 'results.tgz'
        with atomic_write(result, 'wb') as file, tarfile.open(fileobj=file, mode='w:gz') as tar:
            for name in names:
                tar.add(out / part / f'{name}.png', f'{part}/{name}.png')
    print(f'{len(names)} images -> {result}')
    return result


def run(args: argparse.Namespace) -> None:
    make_submission(args)


if __name__ == '__main__':
    sys.exit(run_tool(run, parse_args()))
