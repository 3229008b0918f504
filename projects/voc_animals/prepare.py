"""Rebuild data/voc_animals from VOC 2012 and the id lists beside this file.

    python projects/voc_animals/prepare.py data/VOCdevkit/VOC2012 data/voc_animals

Needs JPEGImages, Annotations and SegmentationClassAug (tools/dataset_converters/voc.py makes the
last from SBD). Images are reduced to a short side of at most 256 pixels (JPEG quality 85), masks
by nearest neighbour.
"""

import argparse
import json
from pathlib import Path

import mmwsss  # noqa: F401 - first, since it prepares the import of mmengine

# isort: split
import numpy as np
from PIL import Image

from mmwsss.datasets import VOCImageLabelDataset
from mmwsss.structures.artifacts import read_mask, write_mask
from mmwsss.utils import atomic_write, friendly_errors
from mmwsss.utils.progress import track

LISTS = Path(__file__).parent / 'lists'


def reduced(size: tuple, short: int) -> tuple:
    """Width and height with a short side of at most ``short``."""
    ratio = min(short / min(size), 1)
    return tuple(max(round(side * ratio), 1) for side in size)


def prepare(source: Path, target: Path, short: int = 256, lists: Path = LISTS) -> int:
    """Write images, masks, lists and ``labels.json``; what is there is kept.

    Args:
        source: Folder of VOC 2012.
        target: Folder to write.
        short: Longest short side.
        lists: Folder of the id lists.

    Returns:
        Number of images.

    Raises:
        FileNotFoundError: An image, mask or annotation of a list is missing.
    """
    splits = {path.stem: path.read_text().split() for path in sorted(lists.glob('*.txt'))}
    names = sorted({name for split in splits.values() for name in split})
    for folder, ending in (('JPEGImages', '.jpg'), ('SegmentationClassAug', '.png'),
                           ('Annotations', '.xml')):
        missing = [name for name in names if not (source / folder / (name + ending)).is_file()]
        if missing:
            raise FileNotFoundError(
                f'{len(missing)} of {len(names)} files of the lists are missing, e.g. '
                f'"{source / folder / (missing[0] + ending)}"; give the folder of VOC 2012, and '
                'make SegmentationClassAug with tools/dataset_converters/voc.py')
    for name in track(names, 'images'):
        path = target / 'JPEGImages' / f'{name}.jpg'
        with Image.open(source / 'JPEGImages' / path.name) as image:
            size = reduced(image.size, short)
            if not path.is_file():
                with atomic_write(path, 'wb') as file:
                    image.resize(size, Image.BICUBIC).save(file, 'JPEG', quality=85)
        path = target / 'SegmentationClassAug' / f'{name}.png'
        if not path.is_file():
            mask = Image.fromarray(read_mask(source / 'SegmentationClassAug' / path.name))
            write_mask(path, np.asarray(mask.resize(size, Image.NEAREST)))
    for split, ids in splits.items():
        with atomic_write(target / 'ImageSets' / 'Segmentation' / f'{split}.txt') as file:
            file.write('\n'.join(ids) + '\n')
    with atomic_write(target / 'labels.json') as file:
        json.dump(labels_of(source, names), file)
    return len(names)


def labels_of(source: Path, names: list) -> dict:
    """Class names of each image, from the annotations."""
    dataset = VOCImageLabelDataset(str(source), lazy_init=True)
    classes = dataset.metainfo['classes']
    table = dataset.read_labels(names)
    return {name: [c if isinstance(c, str) else classes[c] for c in table[name]] for name in names}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('source', type=Path, help='folder of VOC 2012')
    parser.add_argument('target', type=Path, nargs='?', default=Path('data/voc_animals'))
    parser.add_argument('--short', type=int, default=256)
    args = parser.parse_args()
    with friendly_errors():
        print(f'{prepare(args.source, args.target, args.short)} images in {args.target}')


if __name__ == '__main__':
    main()
