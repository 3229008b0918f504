"""Confusion matrices of masks and everything that is read from them.

A confusion matrix here is an integer array ``(..., C + 1, C + 1)`` over background and ``C``
foreground classes: rows are the true class, columns the predicted one. One more column may follow:
the pixels whose prediction is 255 (no answer), which count as misses of their class.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from mmwsss.datasets.mask_ids import IGNORE
from mmwsss.datasets.splits import Split
from mmwsss.structures.artifacts import read_mask
from mmwsss.utils.progress import track


def confusion_matrix(pred: np.ndarray, gt: np.ndarray, num_classes: int) -> np.ndarray:
    """Count how many pixels of each true class were given each class.

    Args:
        pred: Integer mask ``(H, W)``, 0 background, ``1..C``, 255 no answer.
        gt: Integer mask ``(H, W)``, 0 background, ``1..C``, 255 not scored.
        num_classes: Number ``C`` of foreground classes.

    Returns:
        int64 ``(C + 1, C + 2)``; the last column counts the predictions 255.

    Raises:
        ValueError: The shapes differ, or an id is neither ``0..C`` nor 255.
    """
    if pred.shape != gt.shape:
        raise ValueError(f'prediction of shape {pred.shape} for a ground truth of shape {gt.shape}')
    _check_ids(pred, num_classes, 'prediction')
    _check_ids(gt, num_classes, 'ground-truth mask')
    size = num_classes + 2
    rows = np.minimum(gt, num_classes + 1).astype(np.int64)
    columns = np.minimum(pred, num_classes + 1)
    counts = np.bincount((rows * size + columns).ravel(), minlength=size * size)
    return counts.reshape(size, size)[:-1]


def _check_ids(mask: np.ndarray, num_classes: int, what: str) -> None:
    if not np.issubdtype(mask.dtype, np.integer):
        raise ValueError(f'{what} of type {mask.dtype}; class ids are integers')
    wrong = mask[((mask > num_classes) & (mask != IGNORE)) | (mask < 0)]
    if wrong.size:
        raise ValueError(
            f'{what} holds class id {np.unique(wrong)[0]}, but there are {num_classes} foreground '
            f'classes (ids 0..{num_classes} and 255)')


class Scores(NamedTuple):
    """Scores per class, each ``(..., C + 1)`` as a fraction; nan where nothing is to be counted.

    ``fpr`` and ``fnr`` are the false positives and false negatives over the *union*
    ``TP + FP + FN`` of the class (as the evaluation code of SEAM and its successors prints them),
    so that ``iou + fpr + fnr = 1``: what over-expansion and under-activation each take from it.
    """

    iou: np.ndarray
    precision: np.ndarray
    recall: np.ndarray
    fpr: np.ndarray
    fnr: np.ndarray


def scores_from_confusion(confusion: np.ndarray) -> Scores:
    """IoU, precision, recall, FPR and FNR of every class.

    Args:
        confusion: ``(..., C + 1, C + 1)`` or ``(..., C + 1, C + 2)``, see the module.

    Returns:
        :class:`Scores` of arrays ``(..., C + 1)``, the background first.
    """
    confusion = np.asarray(confusion)
    classes = confusion.shape[-2]
    hit = np.diagonal(confusion[..., :classes], axis1=-2, axis2=-1).astype(np.float64)
    exact = confusion.sum(-1)
    called = confusion[..., :classes].sum(-2)
    union = exact + called - hit
    with np.errstate(invalid='ignore', divide='ignore'):
        return Scores(hit / union, hit / called, hit / exact, (called - hit) / union,
                      (exact - hit) / union)


def iou_from_confusion(confusion: np.ndarray) -> np.ndarray:
    """IoU of every class as a fraction ``(..., C + 1)``; nan for a class that appears nowhere."""
    return scores_from_confusion(confusion).iou


def mean_scores(confusion: np.ndarray) -> dict[str, float]:
    """Means over the classes, in percent.

    ``mIoU``, ``FPR`` and ``FNR`` are over all classes with the background (they sum to 100);
    ``mPrecision`` and ``mRecall`` over the foreground only, as EADER reports them. A class without
    any pixel to count is left out of the mean, as in mmseg.

    Args:
        confusion: One matrix ``(C + 1, C + 1)`` or ``(C + 1, C + 2)``.
    """
    scores = scores_from_confusion(confusion)

    def mean(x: np.ndarray) -> float:
        return 100 * float(np.nanmean(x)) if np.isfinite(x).any() else float('nan')

    return dict(
        mIoU=mean(scores.iou),
        mPrecision=mean(scores.precision[1:]),
        mRecall=mean(scores.recall[1:]),
        FPR=mean(scores.fpr),
        FNR=mean(scores.fnr))


def class_confusions(
    confusion: np.ndarray,
    pairs: Iterable[tuple[int, int]] | None = None,
    names: Sequence[str] | None = None,
) -> list[dict]:
    """How many pixels of one class were called another, for classes that come together.

    Args:
        confusion: One matrix ``(C + 1, C + 1)`` or ``(C + 1, C + 2)``.
        pairs: Pairs ``(i, j)`` of mask ids (0 background): "pixels of i called j". Default: all
            ordered pairs of different foreground classes.
        names: Names of the ids ``0..C``, the background first.

    Returns:
        One record per pair, most confused first: ``exact`` and ``called`` (ids, or names),
        ``pixels``, ``rate`` (share of the pixels of ``i``, 0 where it has none) and ``ratio``
        (pixels of ``i`` called ``j`` over the pixels of ``j`` called ``j``; inf without any).
    """
    confusion = np.asarray(confusion)
    ids = range(1, confusion.shape[0])
    if pairs is None:
        pairs = [(i, j) for i in ids for j in ids if i != j]
    exact = confusion.sum(1)
    records = []
    for i, j in pairs:
        pixels, right = int(confusion[i, j]), int(confusion[j, j])
        records.append(dict(
            exact=names[i] if names else i,
            called=names[j] if names else j,
            pixels=pixels,
            rate=pixels / int(exact[i]) if exact[i] else 0.,
            ratio=pixels / right if right else (float('inf') if pixels else 0.)))
    return sorted(records, key=lambda record: -record['pixels'])


def pair_rates(confusion: np.ndarray, pairs: Sequence[tuple[int, int]]) -> list[float]:
    """Of each pair ``(i, j)`` of mask ids, in their order, how many in a hundred pixels of ``i``
    were called ``j``; ``confusion`` as of :func:`class_confusions`."""
    records = class_confusions(confusion, pairs)
    rates = {(record['exact'], record['called']): 100 * record['rate'] for record in records}
    return [rates[pair] for pair in pairs]


def mask_confusion(pred_dir: str | Path, split: Split) -> np.ndarray:
    """Confusion matrix of a folder of masks ``<name>.png`` against the ground truth.

    Args:
        pred_dir: Folder with a mask for every image, in ids ``0..C`` and 255.
        split: Images with ground truth.

    Returns:
        int64 ``(C + 1, C + 2)``, see :func:`confusion_matrix`.

    Raises:
        ValueError: A mask is unreadable or has a wrong size or id.
        FileNotFoundError: A mask is missing.
    """
    total = np.zeros((split.num_classes + 1, split.num_classes + 2), dtype=np.int64)
    for _, confusion in _image_confusions(pred_dir, split):
        total += confusion
    return total


Masks = str | Path | Callable[[str], np.ndarray]


def _image_confusions(masks: Masks, split: Split,
                      names: Sequence[str] | None = None) -> Iterator[tuple[str, np.ndarray]]:
    """Name and confusion matrix of every image, or of some; errors of :func:`mask_confusion`."""
    paths = {name: name if callable(masks) else Path(masks) / f'{name}.png'
             for name in (split.names if names is None else names)}
    missing = [path for path in paths.values() if isinstance(path, Path) and not path.is_file()]
    if missing:
        raise FileNotFoundError(
            f'{len(missing)} of {len(paths)} predicted masks are missing, first {missing[0]}; '
            'generate the masks of this list first')
    read = masks if callable(masks) else read_mask
    for name, path in track(paths.items(), 'masks to score', len(paths), least=1000):
        pred, gt = read(path), split.ground_truth(name)
        try:
            yield name, confusion_matrix(pred, gt, split.num_classes)
        except ValueError as error:
            raise ValueError(f'mask {path} against its ground truth: {error}') from error


def image_scores(masks: Masks, split: Split, names: Sequence[str] | None = None,
                 background: bool = True) -> dict[str, dict[str, float]]:
    """Scores of single images: means over the classes that the mask or the ground truth of the
    image shows.

    Args:
        masks: Folder of masks, or what gives the mask of a name.
        split: Images with ground truth.
        names: Some of them; None: all.
        background: Whether it is one of the classes, as in mIoU.

    Returns:
        By name ``IoU``, ``precision`` and ``recall`` in percent; images that show no class are left
        out.

    Raises:
        ValueError, FileNotFoundError: See :func:`mask_confusion`.
    """
    found = {}
    for name, confusion in _image_confusions(masks, split, names):
        scores = scores_from_confusion(confusion)
        shown = np.isfinite(scores.iou) & (background | (np.arange(split.num_classes + 1) > 0))
        if shown.any():  # a class that is only in one of the two has no precision, or no recall
            found[name] = {key: 100 * float(np.nan_to_num(values[shown]).mean())
                           for key, values in (('IoU', scores.iou), ('precision', scores.precision),
                                               ('recall', scores.recall))}
    return found


def mask_iou(pred_dir: str | Path, split: Split) -> dict:
    """Score a folder of masks; arguments and errors of :func:`mask_confusion`.

    Returns:
        The means of :func:`mean_scores` in percent, and ``IoU``, a list of the ``C + 1`` classes'.
    """
    confusion = mask_confusion(pred_dir, split)
    return dict(mean_scores(confusion), IoU=(100 * iou_from_confusion(confusion)).tolist())
