"""From a mask of class ids to the records of other tools; every function is pure.

A mask is uint8 ``(H, W)``: 0 background, ``1..C`` the classes in the order of ``classes``
(foreground names), 255 ignored. Background and ignored pixels are exported nowhere.
"""

from collections.abc import Sequence
from types import ModuleType

import cv2
import numpy as np
from scipy.spatial import cKDTree


def class_areas(mask: np.ndarray, classes: Sequence[str]) -> dict[str, int]:
    """Pixels of ``background`` and of each class, in this order."""
    counts = np.bincount(mask.ravel(), minlength=256)
    return {name: int(counts[i]) for i, name in enumerate(('background', *classes))}


def _present(mask: np.ndarray, classes: Sequence[str]) -> list[int]:
    return [i for i in np.unique(mask).tolist() if 1 <= i <= len(classes)]


# -- COCO ------------------------------------------------------------------------------------------
def coco_masks() -> ModuleType:
    """``pycocotools.mask``.

    Raises:
        ImportError: It is not installed.
    """
    try:
        from pycocotools import mask
    except ImportError as error:
        raise ImportError("COCO's masks need pycocotools: pip install pycocotools") from error
    return mask


def coco_rle(region: np.ndarray) -> dict:
    """COCO's compressed run-length code of a bool region ``(H, W)``: ``size`` and ``counts``."""
    code = coco_masks().encode(np.asfortranarray(region, np.uint8))
    return dict(size=list(region.shape), counts=code['counts'].decode())


def coco_annotations(mask: np.ndarray, classes: Sequence[str]) -> list[dict]:
    """One annotation per class of the mask, without ``id`` and ``image_id``: ``category_id`` (the
    id in the mask), ``segmentation`` (compressed RLE), ``area`` in pixels, ``bbox``
    ``[x, y, width, height]`` and ``iscrowd`` 0."""
    records = []
    for index in _present(mask, classes):
        region = mask == index
        rows, cols = np.flatnonzero(region.any(1)), np.flatnonzero(region.any(0))
        box = [cols[0], rows[0], cols[-1] - cols[0] + 1, rows[-1] - rows[0] + 1]
        records.append(dict(
            category_id=index,
            segmentation=coco_rle(region),
            area=int(region.sum()),
            bbox=[int(value) for value in box],
            iscrowd=0))
    return records


def coco_dataset(images: Sequence[tuple[str, np.ndarray]], classes: Sequence[str]) -> dict:
    """COCO instances of images ``(file name, mask)``; image and annotation ids count from 1."""
    records, annotations = [], []
    for image_id, (name, mask) in enumerate(images, 1):
        records.append(dict(
            id=image_id, file_name=name, height=mask.shape[0], width=mask.shape[1]))
        for annotation in coco_annotations(mask, classes):
            annotations.append(dict(annotation, id=len(annotations) + 1, image_id=image_id))
    categories = [dict(id=i, name=name) for i, name in enumerate(classes, 1)]
    return dict(images=records, annotations=annotations, categories=categories)


# -- polygons --------------------------------------------------------------------------------------
def polygons(region: np.ndarray, min_area: int = 0, tolerance: float = 1.) -> list[np.ndarray]:
    """Outlines of the connected parts of a region, in pixel coordinates.

    Args:
        region: Bool ``(H, W)``.
        min_area: Parts of fewer pixels are left out.
        tolerance: How far, in pixels, an outline may be off (Douglas-Peucker); 0 keeps every pixel
            of the border.

    Returns:
        Of each part ``(n, 2)`` int x, y of border pixels. A hole is joined to its part by a cut of
        no width, so that one polygon holds both.
    """
    _, labels, stats, _ = cv2.connectedComponentsWithStats(region.astype(np.uint8))
    found = []
    for index in range(1, len(stats)):
        x, y, width, height, area = stats[index]
        if area < min_area:
            continue
        part = (labels[y:y + height, x:x + width] == index).astype(np.uint8)
        lines, (tree, ) = cv2.findContours(part, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_SIMPLE)
        if tolerance:
            lines = [_simpler(line, tolerance) for line in lines]
        outline = next(line for line, node in zip(lines, tree) if node[3] < 0)[:, 0]
        for hole in (line[:, 0] for line, node in zip(lines, tree) if node[3] >= 0):
            outline = _join(outline, hole)
        found.append(outline + [x, y])
    return found


def _simpler(line: np.ndarray, tolerance: float) -> np.ndarray:
    """The line with fewer corners, unless it would collapse."""
    simple = cv2.approxPolyDP(line, tolerance, True)
    return simple if len(simple) >= 3 else line


def _join(outline: np.ndarray, hole: np.ndarray) -> np.ndarray:
    """One closed line through both, cut where their corners are nearest."""
    distance, nearest = cKDTree(outline).query(hole)
    j = int(distance.argmin())
    i = int(nearest[j])
    return np.concatenate([outline[:i + 1], hole[j:], hole[:j + 1], outline[i:]])


def _shapes(mask: np.ndarray, classes: Sequence[str], **options) -> list[tuple[int, np.ndarray]]:
    """Class id and polygon of each part; those of one pixel's width have no area and are left
    out."""
    return [(index, line) for index in _present(mask, classes)
            for line in polygons(mask == index, **options) if len(line) >= 3]


def yolo_lines(mask: np.ndarray, classes: Sequence[str], **options) -> list[str]:
    """Lines of a YOLO segmentation file: class from 0, then x y of each corner over width and
    height.

    Args:
        mask, classes: See above.
        options: Of :func:`polygons`.
    """
    size = np.array(mask.shape[::-1])
    # The centre of a pixel is at its coordinate plus one half.
    return [' '.join([str(index - 1), *(f'{v:.6f}' for v in ((line + 0.5) / size).ravel())])
            for index, line in _shapes(mask, classes, **options)]


def labelme_record(mask: np.ndarray, classes: Sequence[str], image_path: str, **options) -> dict:
    """A LabelMe file: one polygon per part.

    Args:
        mask, classes: See above.
        image_path: Of the image, as seen from the file.
        options: Of :func:`polygons`.
    """
    shapes = [dict(label=classes[index - 1], points=(line + 0.5).tolist(), group_id=None,
                   shape_type='polygon', flags={})
              for index, line in _shapes(mask, classes, **options)]
    return dict(version='5.0.0', flags={}, shapes=shapes, imagePath=image_path, imageData=None,
                imageHeight=mask.shape[0], imageWidth=mask.shape[1])


# -- CVAT ------------------------------------------------------------------------------------------
def cvat_label_map(classes: Sequence[str], palette: Sequence) -> str:
    """``labelmap.txt`` of CVAT's "Segmentation mask 1.1": ``name:r,g,b::``, background first; a
    colon in a name becomes ``_``.

    Args:
        classes: Foreground names.
        palette: RGB of background and classes.
    """
    lines = ['# label:color_rgb:parts:actions']
    lines += [f'{name.replace(":", "_")}:{",".join(str(int(value)) for value in color)}::'
              for name, color in zip(('background', *classes), palette)]
    return '\n'.join(lines) + '\n'
