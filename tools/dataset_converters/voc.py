"""Prepare PASCAL VOC 2012 with the extra masks of SBD, from what is on disk.

    python tools/dataset_converters/voc.py --voc VOCtrainval_11-May-2012.tar --sbd benchmark.tgz

Both may be archives or folders they were extracted to. OUT gets JPEGImages, Annotations,
SegmentationClass, SegmentationClassAug (the official masks, and those of SBD for the images that
have none) and ImageSets/Segmentation with train_aug.txt: VOC's train and all of SBD, without VOC's
val. It can be run again, and resumes where it was interrupted.
"""

import argparse
import io
import re
import sys
from pathlib import Path

import cv2
import numpy as np
from archives import copy_files, read_files

from mmwsss.utils import atomic_write
from mmwsss.utils.cli import at_least, make_parser, run_tool

COUNTS = dict(train=1464, val=1449, train_aug=10582)
_VOC = re.compile(r'(?:^|/)VOC2012/((?:JPEGImages/\w+\.jpg)|(?:Annotations/\w+\.xml)|'
                  r'(?:SegmentationClass/\w+\.png)|'
                  r'(?:ImageSets/Segmentation/(?:train|val|trainval)\.txt))$')
_SBD = re.compile(r'(?:^|/)dataset/((?:cls/\w+\.mat)|(?:(?:train|val)\.txt))$')


def _wanted(pattern: 're.Pattern', name: str) -> str | None:
    match = pattern.search(name)
    return match and match[1]


def _ids(text: str) -> list[str]:
    return [line.split()[0] for line in text.splitlines() if line.strip()]


def sbd_mask(data: bytes, name: str, void_width: int = 0) -> np.ndarray:
    """Class mask ``(H, W)`` uint8 of a file of SBD.

    Args:
        data: Content of ``cls/<name>.mat``.
        name: For the message.
        void_width: Pixels on each side of a border between classes that become 255. SBD has none,
            and the usual train_aug masks neither.
    """
    from scipy.io import loadmat
    try:
        mask = loadmat(io.BytesIO(data))['GTcls'][0, 0]['Segmentation']
    except Exception as error:  # SciPy raises what its parser meets
        raise ValueError(f'SBD\'s {name} cannot be read ({error}); download the archive '
                         'again') from None
    if mask.ndim != 2 or mask.max() > 20:
        raise ValueError(f'SBD\'s {name} is no mask of the 20 classes: shape {mask.shape}, '
                         f'largest id {mask.max()}')
    mask = np.ascontiguousarray(mask, np.uint8)
    if void_width:
        kernel = np.ones((2 * void_width + 1, ) * 2, np.uint8)
        mask[cv2.dilate(mask, kernel) != cv2.erode(mask, kernel)] = 255
    return mask


def convert(voc: str,
            sbd: str | None,
            out: str,
            counts: dict[str, int] | None = None,
            void_width: int = 0) -> dict[str, int]:
    """Do what the script says.

    Args:
        voc: Archive or folder of VOC 2012's trainval.
        sbd: Archive or folder of SBD; None if ``out`` already has its masks and lists.
        out: Folder ``VOC2012`` to fill.
        counts: Lengths that the lists must have; None is those of the official data.
        void_width: See :func:`sbd_mask`.

    Returns:
        Length of each list.

    Raises:
        FileNotFoundError, ValueError: A source is missing, damaged or not what it should be.
    """
    from mmwsss.structures.artifacts import write_mask
    out = Path(out)
    if Path(voc).resolve() != out.resolve() and not copy_files(
            voc, lambda name: _wanted(_VOC, name), out):
        raise ValueError(f'"{voc}" has no folder VOC2012 with JPEGImages; is it '
                         'VOCtrainval_11-May-2012.tar?')
    lists = out / 'ImageSets' / 'Segmentation'
    ids: dict[str, list[str]] = {}
    for part in ('train', 'val'):
        if not (lists / f'{part}.txt').is_file():
            raise FileNotFoundError(f'no list "{lists / part}.txt" of VOC 2012 in "{voc}"')
        ids[part] = _ids((lists / f'{part}.txt').read_text())
    official: set[str] = set(ids['train']) | set(ids['val'])
    masks = out / 'SegmentationClassAug'
    for name in sorted(official):
        source, target = out / 'SegmentationClass' / f'{name}.png', masks / f'{name}.png'
        if not source.is_file():
            raise FileNotFoundError(f'no mask "{source}"')
        if not target.exists():
            with atomic_write(target, 'wb') as file:
                file.write(source.read_bytes())
    extra: set[str] = set()
    for target, read in read_files(sbd, lambda name: _wanted(_SBD, name)) if sbd else ():
        name = Path(target).stem
        if target.endswith('.txt'):
            extra.update(_ids(read().decode()))
        elif name not in official and not (masks / f'{name}.png').exists():
            write_mask(masks / f'{name}.png', sbd_mask(read(), target, void_width))
    if sbd and not extra:
        raise ValueError(f'"{sbd}" has no dataset/train.txt; is it benchmark.tgz of SBD?')
    if not sbd:
        extra = {path.stem for path in masks.glob('*.png')}
    ids['train_aug'] = sorted((set(ids['train']) | extra) - set(ids['val']))
    for part, names in ids.items():
        expected = (COUNTS if counts is None else counts).get(part, len(names))
        if len(names) != expected:
            raise ValueError(f'{part} would have {len(names)} images, it must have {expected}: '
                             f'"{voc}" or "{sbd}" is not the official data, or not whole')
        for folder, ending in (('JPEGImages', 'jpg'), ('SegmentationClassAug', 'png')):
            missing = [n for n in names if not (out / folder / f'{n}.{ending}').is_file()]
            if missing:
                raise FileNotFoundError(
                    f'{len(missing)} files of {part} are missing in "{out / folder}", e.g. '
                    f'{missing[0]}.{ending}; the sources are not whole')
    with atomic_write(lists / 'train_aug.txt') as file:  # last: everything it names is there
        file.write('\n'.join(ids['train_aug']) + '\n')
    return {part: len(names) for part, names in ids.items()}


def parse_args() -> argparse.Namespace:
    parser = make_parser(__doc__)
    parser.add_argument('out', nargs='?', default='data/VOCdevkit/VOC2012')
    parser.add_argument('--voc', required=True, help='VOCtrainval_11-May-2012.tar or a folder')
    parser.add_argument('--sbd', help='benchmark.tgz, or a folder')
    parser.add_argument('--void-width', type=at_least(0), default=0,
                        help='ignored pixels on each side of borders in the masks of SBD')
    return parser.parse_args()


def run(args: argparse.Namespace) -> None:
    for part, count in convert(args.voc, args.sbd, args.out, void_width=args.void_width).items():
        print(f'{part}: {count} images')


if __name__ == '__main__':
    sys.exit(run_tool(run, parse_args()))
