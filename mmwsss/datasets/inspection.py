"""What is in a data set of image labels, and what is wrong with it, before any training."""

import hashlib
import os
from collections import defaultdict
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from mmwsss.utils.images import image_size, images_below, orientation
from mmwsss.utils.progress import track

from .cooccurrence import cooccurrence_matrix
from .image_labels import ImageLabelDataset
from .transforms import LoadImage, LoadMask
from .transforms.loading import is_whole

FEW, SMALL, LARGE = 20, 64, 3000


@dataclass
class Problem:
    """Something that the user should know.

    Args:
        serious: Training would fail or learn something wrong.
        text: What it is.
        mend: What to do about it.
        names: The images, if it is about some.
    """

    serious: bool
    text: str
    mend: str
    names: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        shown = ', '.join(self.names[:5]) + (', ...' if len(self.names) > 5 else '')
        return (f'{"ERROR" if self.serious else "note "} {self.text}'
                f'{f" ({shown})" if shown else ""}: {self.mend}')


@dataclass
class Facts:
    """Of one image: its error, or size ``(H, W)``, PIL's mode, whether EXIF turns it, a digest of
    its decoded pixels, and, with a mask, ``pixels`` ``(C + 2,)`` of background, classes and
    ignored, or what is wrong with the mask."""

    error: str = ''
    size: tuple[int, int] = (0, 0)
    mode: str = ''
    turned: bool = False
    digest: str = ''
    pixels: np.ndarray | None = None
    mask_error: str = ''


@dataclass
class Inspection:
    """Result of :func:`inspect_dataset`."""

    classes: tuple[str, ...]
    all_classes: tuple[str, ...]
    palette: list
    names: list[str]
    paths: list[str]
    labels: np.ndarray
    facts: list[Facts]
    problems: list[Problem]

    @property
    def ok(self) -> bool:
        """No serious problem."""
        return not any(problem.serious for problem in self.problems)

    @property
    def counts(self) -> np.ndarray:
        """Images of each class, ``(C,)``."""
        return self.labels.sum(0).astype(int)

    @property
    def cooccurrence(self) -> np.ndarray:
        """Images that have both of two classes, ``(C, C)``; the diagonal is ``counts``."""
        return cooccurrence_matrix(torch.from_numpy(self.labels)).numpy().astype(int)

    @property
    def pixel_shares(self) -> np.ndarray | None:
        """Shares of background, classes and ignored in all masks, ``(C + 2,)``, or None."""
        pixels = [fact.pixels for fact in self.facts if fact.pixels is not None]
        return None if not pixels else np.sum(pixels, 0) / np.sum(pixels)

    def summary(self) -> str:
        """The whole as text."""
        read = [fact for fact in self.facts if not fact.error]
        lines = [f'{len(self.names)} images, {len(self.classes)} classes']
        if read:
            sizes = np.array([fact.size for fact in read])
            low, middle, high = (np.percentile(sizes.max(1), q) for q in (0, 50, 100))
            lines.append(f'long sides {low:.0f} to {high:.0f} pixels, half below {middle:.0f}; '
                         f'modes {", ".join(sorted({fact.mode for fact in read}))}')
        width = max((len(name) for name in self.classes), default=0)
        lines += [f'  {name:<{width}} {count:6d} images'
                  for name, count in zip(self.classes, self.counts)]
        shares = self.pixel_shares
        if shares is not None:
            lines.append('ids of the masks: 0 = background, ' + ', '.join(
                f'{i} = {name}' for i, name in enumerate(self.all_classes, 1)))
            lines.append(f'pixels of the masks: background {100 * shares[0]:.1f} %, classes '
                         f'{100 * shares[1:-1].sum():.1f} %, ignored {100 * shares[-1]:.1f} %')
        lines += [str(problem) for problem in self.problems] or ['nothing is wrong']
        return '\n'.join(lines)


def open_folder(folder: str | Path, label_file: str | Path, masks: str | Path | None = None,
                classes: Sequence[str] | None = None) -> ImageLabelDataset:
    """A folder of images and a label table as a data set whose files need not be there.

    Classes that no image has are left out of its classes, not of its ``all_classes``.

    Args:
        folder: Of the images.
        label_file: Their label table.
        masks: Folder of ground-truth masks.
        classes: All classes, in the order of the ids of the masks or the indices of the table.

    Raises:
        FileNotFoundError, ValueError: The table cannot be understood, or there is no folder
            ``masks``.
    """
    if masks and not os.path.isdir(masks):
        raise FileNotFoundError(f'no folder of masks "{masks}"')

    def dataset(**metainfo: Sequence[str]) -> ImageLabelDataset:
        return ImageLabelDataset(
            img_dir=os.path.abspath(folder), label_file=os.path.abspath(label_file),
            seg_dir=masks and os.path.abspath(masks), metainfo=metainfo,
            check_files=False, test_mode=True)

    whole = dataset(classes=classes) if classes else dataset()
    names = whole.metainfo['classes']
    used = [name for name, count in zip(names, whole.label_matrix().sum(0)) if count]
    return whole if len(used) in (0, len(names)) else dataset(all_classes=names, classes=used)


def inspect_dataset(dataset: ImageLabelDataset, folder: str | Path | None = None,
                    num_threads: int = 4) -> Inspection:
    """Read every image and mask once.

    Args:
        dataset: Built with ``check_files=False, test_mode=True``, so that nothing is refused.
        folder: Where all images should have a label; None asks for no such thing (a list may name
            a part of a folder).
        num_threads: That decode.

    Returns:
        Facts and problems.
    """
    dataset.full_init()
    infos = [dataset.get_data_info(i) for i in range(len(dataset))]
    with ThreadPoolExecutor(num_threads) as pool:
        facts = list(track(pool.map(_facts, infos), 'images', len(infos)))
    classes = tuple(dataset.metainfo['classes'])
    result = Inspection(
        classes, dataset.label_space.all_classes, dataset.metainfo['palette'],
        [info['name'] for info in infos], [info['img_path'] for info in infos],
        dataset.label_matrix(), facts, [])
    result.problems += [
        *_file_problems(result, folder), *_duplicates(result), *_label_problems(result),
        *_image_notes(result), *_mask_problems(result)]
    result.problems.sort(key=lambda problem: not problem.serious)
    return result


def _facts(info: dict) -> Facts:
    path = info['img_path']
    try:
        image = LoadImage()(dict(img_path=path))['img']
        size = image_size(path)
        with Image.open(path) as header:
            facts = Facts('', image.shape[:2], header.mode, orientation(header) != 1)
    except (ValueError, FileNotFoundError, Image.DecompressionBombError) as error:
        return Facts(error=str(error) if os.path.isfile(path) else 'missing')
    if size != image.shape[:2]:
        return Facts(error=f'image "{path}" is {size[1]} x {size[0]} by its head and '
                     f'{image.shape[1]} x {image.shape[0]} when it is read; save it again')
    facts.digest = hashlib.sha256(repr(image.shape).encode() + image.tobytes()).hexdigest()
    if info.get('seg_map_path'):
        try:
            mask = LoadMask()(dict(info, img=image))['gt_seg_map']
            counts = np.bincount(mask.ravel(), minlength=256)
            facts.pixels = np.append(counts[:info['mask_ids'].num_classes + 1], counts[255])
        except (ValueError, FileNotFoundError) as error:
            facts.mask_error = (str(error) if os.path.isfile(info['seg_map_path']) else 'missing')
    return facts


def check_images(paths: Sequence[str], num_threads: int = 8) -> None:
    """Look at the head and the end of image files, so that a damaged one is found before a
    training and not in it. What is wrong in the middle of a file is only seen by decoding it
    (:func:`inspect_dataset`).

    Args:
        paths: The files; those on no disk of this machine are left out.
        num_threads: Read so many at a time.

    Raises:
        ValueError: Some are damaged; names the first.
    """
    paths = [path for path in paths if os.path.isfile(path)]
    with ThreadPoolExecutor(num_threads) as pool:
        found = [error for error in track(pool.map(_damage, paths), 'image files', len(paths))
                 if error]
    if found:
        raise ValueError(f'{len(found)} of {len(paths)} images are damaged, first: {found[0]} '
                         '(tools/check_dataset.py lists them)')


def _damage(path: str) -> str | None:
    try:
        image_size(path)
        with open(path, 'rb') as file:
            head = file.read(8)
            file.seek(max(os.path.getsize(path) - 8, 0))
            whole = is_whole(head + file.read())
        if not whole:  # or followed by something
            LoadImage()(dict(img_path=path))
    except (OSError, ValueError) as error:
        return str(error)
    return None


def _file_problems(result: Inspection, folder: str | Path | None) -> list[Problem]:
    found = []
    missing = [n for n, fact in zip(result.names, result.facts) if fact.error == 'missing']
    if missing:
        found.append(Problem(
            True, f'{len(missing)} labelled images are not there',
            'copy them, or take their lines off the table; names are paths below the folder, upper '
            'and lower case matter', missing))
    broken = [n for n, fact in zip(result.names, result.facts)
              if fact.error and fact.error != 'missing']
    if broken:
        found.append(Problem(True, f'{len(broken)} images cannot be decoded',
                             'restore them, or take them off the table', broken))
    if folder is not None:
        known = set(result.names)
        extra = [x for x in images_below(folder) if os.path.splitext(x)[0] not in known]
        if extra:
            found.append(Problem(False, f'{len(extra)} images have no label',
                                 'they are not used; add them to the table', extra))
    return found


def _duplicates(result: Inspection) -> list[Problem]:
    groups = defaultdict(list)
    for i, fact in enumerate(result.facts):
        if fact.digest:
            groups[fact.digest].append(i)
    found = {True: [], False: []}
    copies = {False: 0, True: 0}
    for group in groups.values():
        if len(group) > 1:
            differ = bool((result.labels[group] != result.labels[group[0]]).any())
            copies[differ] += len(group) - 1
            found[differ].append(' = '.join(result.names[i] for i in group[:4])
                                 + (f' = {len(group) - 4} more' if len(group) > 4 else ''))
    problems = []
    if found[True]:
        problems.append(Problem(
            True, f'{copies[True]} images are copies of others with other labels',
            'keep one of each, with the right labels', found[True]))
    if found[False]:
        problems.append(Problem(
            False, f'{copies[False]} images are copies of others', 'keep one of each, above all '
            'not one in training and one in validation', found[False]))
    return problems


def _label_problems(result: Inspection) -> list[Problem]:
    found, total = [], len(result.names)
    counts, pairs = result.counts, result.cooccurrence
    unused = [name for name in result.all_classes if name not in result.classes]
    if unused:
        found.append(Problem(False, f'{len(unused)} classes are not among those to learn',
                             'right if they were left out, or no image has them; masks of them '
                             'are ignored', unused))
    if set(result.classes) == {'0', '1'}:
        found.append(Problem(False, 'the classes are called 0 and 1', 'if 0 stands for none, call '
                             'the column by the class ("image,defect"), and it is one class'))
    empty = [n for n, row in zip(result.names, result.labels) if not row.any()]
    if empty:
        found.append(Problem(False, f'{len(empty)} images have no class', 'right if they show none '
                             'of the classes; label them otherwise', empty))
    for i, (name, count) in enumerate(zip(result.classes, counts)):
        if not count:
            found.append(Problem(True, f'no image has the class "{name}"', 'fix its name in the '
                                 'table, or take it out of the classes'))
            continue
        if count < FEW:
            found.append(Problem(False, f'only {count} images have the class "{name}"',
                                 f'{FEW} and more are needed to learn where it is'))
        if count == total and total > 1:
            found.append(Problem(
                True, f'every image has the class "{name}"', 'a classifier learns a class from '
                'images that lack it: add some'))
        else:
            always = [other for j, other in enumerate(result.classes)
                      if j != i and pairs[i, j] == count and counts[j] != total]
            for other in always:
                found.append(Problem(
                    False, f'"{name}" never comes without "{other}"', 'their regions will be mixed '
                    'up: add images of it alone (CSD in docs/method_zoo.md softens this)'))
    return found


def _image_notes(result: Inspection) -> list[Problem]:
    def names(condition) -> list[str]:
        return [n for n, fact in zip(result.names, result.facts)
                if not fact.error and condition(fact)]

    found = []
    for condition, text, mend in (
        (lambda f: f.turned, 'are turned by EXIF', 'they are turned when read; masks must have the '
         'turned size'),
        (lambda f: min(f.size) < SMALL // 2 or max(f.size) < SMALL,
         f'are smaller than {SMALL} pixels, or narrower than {SMALL // 2}',
         'a CAM of them has few cells; take larger ones where there are'),
        (lambda f: max(f.size) > LARGE, f'are larger than {LARGE} pixels', 'reduce them once, '
         'training and CAMs get faster by it'),
        (lambda f: f.mode in ('RGBA', 'LA', 'PA'), 'are partly transparent', 'the colour behind '
         'the transparency is used; flatten them if that matters'),
        (lambda f: f.mode.startswith('I'), 'have 16 bits', 'they are reduced to 8; scale them '
         'before if their range is small'),
    ):
        concerned = names(condition)
        if concerned:
            found.append(Problem(False, f'{len(concerned)} images {text}', mend, concerned))
    return found


def _mask_problems(result: Inspection) -> list[Problem]:
    found = []
    missing = [n for n, f in zip(result.names, result.facts) if f.mask_error == 'missing']
    wrong = [(n, f.mask_error) for n, f in zip(result.names, result.facts)
             if f.mask_error and f.mask_error != 'missing']
    if missing and len(missing) == len(result.names):
        found.append(Problem(True, 'no image has a mask', 'masks are <name of the image>.png, in '
                             'the same subfolders as the images', missing))
    elif missing:
        found.append(Problem(False, f'{len(missing)} images have no mask', 'they can be trained '
                             'on, not scored', missing))
    if wrong:
        found.append(Problem(True, f'{len(wrong)} masks are wrong', f'the first: {wrong[0][1]}',
                             [name for name, _ in wrong]))
    more, fewer = [], []
    for name, row, fact in zip(result.names, result.labels, result.facts):
        if fact.pixels is not None:
            seen = fact.pixels[1:-1] > 0
            if (seen & (row == 0)).any():
                more.append(name)
            if (~seen & (row > 0)).any():
                fewer.append(name)
    if more:
        found.append(Problem(True, f'{len(more)} masks show a class that the label lacks',
                             'add it to the label; or the ids of the masks mean other classes '
                             'than above: name the classes in the order of the ids (--classes, '
                             'metainfo.classes)', more))
    if fewer:
        found.append(Problem(False, f'{len(fewer)} labels name a class that the mask lacks',
                             'right where the object is ignored (255) in the mask', fewer))
    shares = result.pixel_shares
    if shares is not None and not 0.02 < shares[0] < 0.98:
        found.append(Problem(
            False, f'{100 * shares[0]:.1f} % of all pixels are background', 'CAM thresholds and '
            'CRF are tuned for less one-sided images: check the ids of the masks (0 is background)'
            ', and search the threshold anew'))
    return found
