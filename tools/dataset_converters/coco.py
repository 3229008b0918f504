"""Prepare COCO 2014 from what is on disk.

    python tools/dataset_converters/coco.py --annotations annotations_trainval2014.zip \\
        --images train2014.zip val2014.zip

Sources may be archives or folders they were extracted to. OUT gets train2014, val2014, annotations,
labels_<split>2014.json (the label table of the images with an object) and
SegmentationClass/<split>2014 (masks with ids 1 to 80; where things overlap, the smaller one is
seen). It can be run again, and resumes where it was interrupted.
"""

import argparse
import functools
import json
import re
import sys
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from archives import copy_files

from mmwsss.utils import atomic_write
from mmwsss.utils.cli import at_least, make_parser, run_tool

# Images in the annotations; of these, as the field counts them, with an object.
COUNTS = dict(train=(82783, 82081), val=(40504, 40137))


def decode_counts(text: str | bytes) -> list[int]:
    """Run lengths of COCO's compressed RLE.

    Each number is written in groups of five bits from the lowest on, as characters from ``'0'`` on;
    32 says that another group follows, and the highest bit of the last group is the sign. From the
    fourth on, a number is the difference to the last but one.

    Raises:
        ValueError: The text ends in the middle of a number.
    """
    counts: list[int] = []
    number = shift = 0
    for byte in text.encode() if isinstance(text, str) else text:
        group = byte - 48
        number |= (group & 31) << shift
        shift += 5
        if not group & 32:
            if group & 16:
                number -= 1 << shift
            counts.append(number + (counts[-2] if len(counts) > 2 else 0))
            number = shift = 0
    if shift:
        raise ValueError('run lengths end in the middle of a number')
    return counts


def rle_mask(rle: dict) -> np.ndarray:
    """Bool ``(H, W)`` of an RLE, compressed or not; runs go down the columns, the first is 0.

    pycocotools fills pixels that the runs leave out with what happens to be in memory.

    Raises:
        ValueError: The runs do not fill the image.
    """
    height, width = rle['size']
    counts = rle['counts']
    if isinstance(counts, (str, bytes)):
        counts = decode_counts(counts)
    counts = np.asarray(counts, np.int64)
    if (counts < 0).any() or counts.sum() != height * width:
        raise ValueError(f'run lengths do not fill {height}x{width} pixels')
    return np.repeat(np.arange(len(counts)) % 2 == 1, counts).reshape(width, height).T


def polygon_mask(polygons: Sequence[Sequence[float]], height: int, width: int) -> np.ndarray:
    """Bool ``(H, W)``: the union of polygons ``[x, y, x, y, ...]``, filled as COCO's own API does.

    Raises:
        ValueError: A polygon has less than three points.
    """
    from mmwsss.apis.exports import coco_masks
    masks = coco_masks()
    if any(len(polygon) < 6 for polygon in polygons):
        raise ValueError('a polygon has less than three points')
    if not polygons:
        return np.zeros((height, width), bool)
    polygons = [np.asarray(polygon, np.float64).tolist() for polygon in polygons]
    return masks.decode(masks.merge(masks.frPyObjects(polygons, height, width))).astype(bool)


def draw_mask(height: int, width: int, items: Sequence[tuple[int, float, object]]) -> np.ndarray:
    """uint8 ``(H, W)`` of things ``(class index, area, segmentation)``, the largest first."""
    mask = np.zeros((height, width), np.uint8)
    for index, _, segmentation in sorted(items, key=lambda item: -item[1]):
        region = (rle_mask(segmentation) if isinstance(segmentation, dict) else
                  polygon_mask(segmentation, height, width))
        if region.shape != mask.shape:
            raise ValueError(f'an object is {region.shape}, the image {mask.shape}')
        mask[region] = index + 1
    return mask


def _write(folder: Path, item: tuple[str, int, int, list]) -> None:
    from mmwsss.structures.artifacts import write_mask
    name, height, width, objects = item
    path = folder / f'{name}.png'
    if not path.exists():
        try:
            mask = draw_mask(height, width, objects)
        except ValueError as error:
            raise ValueError(f'annotations of {name}: {error}') from None
        write_mask(path, mask)


def category_index(categories: list[dict], classes: Sequence[str], path: Path) -> dict[int, int]:
    """Category id (1..90) to class index (0..79), checked against the file's own names.

    Raises:
        ValueError: The file numbers or names its categories in another way.
    """
    from mmwsss.datasets.coco import CATEGORY_IDS
    index = dict(zip(CATEGORY_IDS, range(len(CATEGORY_IDS))))
    for category in categories:
        known = index.get(category['id'])
        if known is None or classes[known] != category['name']:
            raise ValueError(
                f'"{path}": category {category["id"]} is "{category["name"]}", in COCO 2014 it is '
                f'{"absent" if known is None else repr(classes[known])}; use ImageLabelDataset '
                'with a label table for other data')
    return index


def read_instances(path: Path) -> list[tuple[str, int, int, list]]:
    """Images ``(name, height, width, [(class index, area, segmentation), ...])`` by name.

    Raises:
        ValueError: The file is no instances JSON of COCO.
    """
    from mmwsss.datasets.coco import COCOImageLabelDataset
    classes = COCOImageLabelDataset.METAINFO['classes']
    try:
        data = json.loads(path.read_text(encoding='utf-8'))
        index = category_index(data['categories'], classes, path)
        objects = defaultdict(list)
        for item in data['annotations']:
            objects[item['image_id']].append(
                (index[item['category_id']], item['area'], item['segmentation']))
        return sorted((Path(image['file_name']).stem, image['height'], image['width'],
                       objects[image['id']]) for image in data['images'])
    except (KeyError, TypeError, json.JSONDecodeError) as error:
        raise ValueError(f'"{path}" is no instances JSON of COCO: {type(error).__name__} '
                         f'{error}') from None


def convert(annotations: str,
            images: Sequence[str],
            out: str,
            splits: Sequence[str] = ('train', 'val'),
            counts: dict[str, tuple] | None = None,
            num_workers: int = 0) -> dict[str, tuple[int, int]]:
    """Do what the script says.

    Args:
        annotations: Archive or folder of the annotations.
        images: Archives or folders of the images.
        out: Folder to fill.
        splits: ``train`` and/or ``val``.
        counts: Numbers of images that each split must have, and with an object; None is those of
            the official data.
        num_workers: Processes that draw masks.

    Returns:
        Per split the number of images, and of those with an object.

    Raises:
        FileNotFoundError, ValueError: A source is missing, damaged or not what it should be.
        ImportError: pycocotools is not installed.
    """
    from mmwsss.apis.exports import coco_masks
    from mmwsss.datasets.coco import COCOImageLabelDataset
    from mmwsss.utils.parallel import ordered_map
    coco_masks()
    classes = COCOImageLabelDataset.METAINFO['classes']
    out = Path(out)
    parts = '|'.join(splits)
    json_name = re.compile(rf'(?:^|/)(annotations/instances_(?:{parts})2014\.json)$')
    image_name = re.compile(rf'(?:^|/)((?:{parts})2014/COCO_\w+\.jpg)$')

    def wanted(pattern, name):
        match = pattern.search(name)
        return match and match[1]

    for source, pattern in [(annotations, json_name), *((image, image_name) for image in images)]:
        if not copy_files(source, functools.partial(wanted, pattern), out):
            what = 'annotations' if pattern is json_name else 'images'
            raise ValueError(f'"{source}" has no {what} of COCO 2014 {list(splits)}')
    found = {}
    for split in splits:
        path = out / 'annotations' / f'instances_{split}2014.json'
        if not path.is_file():
            raise FileNotFoundError(f'no "{path.name}" in "{annotations}"')
        records = read_instances(path)
        labels = {name: [classes[i] for i in sorted({i for i, _, _ in objects})]
                  for name, _, _, objects in records if objects}
        found[split] = len(records), len(labels)
        expected = (COUNTS if counts is None else counts).get(split, found[split])
        if found[split] != tuple(expected):
            raise ValueError(f'"{path}" has {found[split][0]} images, {found[split][1]} with an '
                             f'object; COCO 2014 {split} has {expected[0]} and {expected[1]}')
        folder = out / f'{split}2014'
        have = {p.stem for p in folder.glob('*.jpg')}
        missing = sorted({name for name, _, _, _ in records} - have)
        if missing:
            raise FileNotFoundError(f'{len(missing)} images are missing in "{folder}", e.g. '
                                    f'{missing[0]}.jpg; give the archive of {split}2014')
        write = functools.partial(_write, out / 'SegmentationClass' / f'{split}2014')
        for _, _, error in ordered_map(write, records, num_workers):
            if error:
                raise ValueError(error)
        with atomic_write(out / f'labels_{split}2014.json') as file:  # last: all it names is there
            json.dump(labels, file, indent=0)
    return found


def parse_args() -> argparse.Namespace:
    parser = make_parser(__doc__)
    parser.add_argument('out', nargs='?', default='data/coco2014')
    parser.add_argument('--annotations', required=True, help='annotations_trainval2014.zip')
    parser.add_argument('--images', required=True, nargs='+', help='train2014.zip val2014.zip')
    parser.add_argument('--splits', nargs='+', choices=('train', 'val'), default=('train', 'val'))
    parser.add_argument('--workers', type=at_least(0), default=0, help='processes that draw masks')
    return parser.parse_args()


def run(args: argparse.Namespace) -> None:
    found = convert(args.annotations, args.images, args.out, args.splits, num_workers=args.workers)
    for split, (images, with_object) in found.items():
        print(f'{split}: {images} images, {with_object} with an object')


if __name__ == '__main__':
    sys.exit(run_tool(run, parse_args()))
