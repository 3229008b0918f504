"""Seeds at every background threshold from one look at each CAM.

The seed at threshold ``t`` is ``argmax([t, cam_1, ..., cam_C])``: the strongest class where it is
*above* ``t``, else background (a tie goes to the background, and among classes to the first). So a
pixel is decided at every threshold by two numbers: its strongest class, and how many thresholds
lie below its score. The histogram of these two per true class holds the confusion matrix of every
threshold.

CAMs and thresholds are compared as float32, as if each threshold were stacked upon a float32 CAM.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from mmwsss.datasets.mask_ids import IGNORE, mask_ids_of

from .confusion import confusion_matrix, iou_from_confusion, mean_scores

# (start, stop, step): the best threshold of a sharp CAM is about .2, of a flat one up to .9.
SWEEP = (0., 0.95, 0.01)

ArrayLike = np.ndarray | Tensor


def threshold_range(start: float, stop: float, step: float) -> np.ndarray:
    """Thresholds ``start, start + step, ...`` up to and including ``stop``, float32 ``(T,)``.

    Raises:
        ValueError: The range is empty or leaves [0, 1].
    """
    if step <= 0 or not 0 <= start <= stop <= 1:
        raise ValueError(
            f'thresholds=({start}, {stop}, {step}) must be (start, stop, step) with '
            '0 <= start <= stop <= 1 and step > 0')
    count = int(np.floor((stop - start) / step + 1e-6)) + 1
    return (start + step * np.arange(count)).round(10).astype(np.float32)


def seed_histogram(
    cam: ArrayLike,
    keys: ArrayLike | None,
    gt: ArrayLike,
    thresholds: ArrayLike,
    num_classes: int | None = None,
) -> tuple[Tensor, Tensor]:
    """Count the pixels of one image by true class, strongest class and thresholds passed.

    Args:
        cam: CAM in [0, 1]: ``(C, H, W)`` with absent classes zero, or ``(K, H, W)`` with ``keys``.
        keys: Class indices ``0..C-1`` of the ``K`` maps, or None for a full CAM.
        gt: Ground-truth mask ``(H, W)``, 0 background, ``1..C``, 255 not scored.
        thresholds: Increasing thresholds ``(T,)`` in [0, 1].
        num_classes: Number ``C`` of foreground classes; needed with ``keys``.

    Returns:
        Cells and counts, int64 ``(M,)`` on the device of ``cam``: the non-empty cells of the
        histogram ``(C + 1, C, T + 1)``, flattened.

    Raises:
        ValueError: A shape, class index, mask id or CAM value out of its range.
    """
    cam = torch.as_tensor(cam)
    gt = torch.as_tensor(gt).to(cam.device)
    thresholds = torch.as_tensor(thresholds, dtype=torch.float32).to(cam.device)
    if cam.ndim != 3 or gt.ndim != 2 or cam.shape[1:] != gt.shape:
        raise ValueError(
            f'CAM of shape {tuple(cam.shape)} for a mask of shape {tuple(gt.shape)}; bring the CAM '
            'to the size of the mask first')
    if keys is None:
        num_classes = num_classes or len(cam)
        if num_classes != len(cam):
            raise ValueError(f'a CAM of {len(cam)} maps without keys for {num_classes} classes')
        # Images hold few classes: leave the maps that are zero everywhere out.
        keys = torch.nonzero(cam.amax((1, 2))).flatten()
        cam = cam if len(keys) == len(cam) else cam[keys]
    else:
        keys = torch.as_tensor(keys, dtype=torch.long).to(cam.device)
        if num_classes is None or len(keys) != len(cam):
            raise ValueError(f'{len(keys)} keys for {len(cam)} maps (num_classes={num_classes})')
        if len(keys) and not 0 <= int(keys.min()) <= int(keys.max()) < num_classes:
            raise ValueError(f'class indices {keys.tolist()} are not in 0..{num_classes - 1}')
        order = keys.argsort()  # equal scores go to the first class, as in a full CAM
        if not torch.equal(order, torch.arange(len(keys), device=order.device)):
            keys, cam = keys[order], cam[order]
    rows = torch.where(gt == IGNORE, num_classes + 1, gt.long())
    wrong = rows[((gt > num_classes) & (gt != IGNORE)) | (gt < 0)]
    if len(wrong):
        raise ValueError(
            f'the ground-truth mask holds class id {int(wrong[0])}, but there are {num_classes} '
            'foreground classes')

    bins = len(thresholds) + 1
    if len(keys):
        score, best = cam.float().max(0)
        low, high = score.aminmax()
        if not (low >= 0 and high <= 1 + 1e-3):  # also catches nan
            raise ValueError(
                f'CAM values between {float(low):g} and {float(high):g}; normalise to [0, 1] first')
        passed = torch.bucketize(score, thresholds)  # thresholds strictly below the score
        cells = (rows * num_classes + keys[best]) * bins + passed
    else:
        cells = rows * num_classes * bins
    size = (num_classes + 1) * num_classes * bins
    counts = torch.bincount(cells.flatten(), minlength=size)[:size]
    cells = torch.nonzero(counts).flatten()
    return cells, counts[cells]


def histogram_confusion(histogram: np.ndarray) -> np.ndarray:
    """Turn a histogram ``(C + 1, C, T + 1)`` into confusion matrices ``(T, C + 1, C + 1)``."""
    # A pixel is foreground at threshold j if it passed more than j thresholds.
    foreground = histogram[..., ::-1].cumsum(-1)[..., -2::-1]
    background = histogram.sum((1, 2))[:, None] - foreground.sum(1)
    return np.concatenate([background[:, None], foreground], axis=1).transpose(2, 0, 1)


def seed_confusion(
    cam: ArrayLike,
    keys: ArrayLike | None,
    gt: ArrayLike,
    thresholds: ArrayLike,
    num_classes: int | None = None,
) -> np.ndarray:
    """Confusion matrices of one image's seed at every threshold.

    Arguments and errors of :func:`seed_histogram`.

    Returns:
        int64 ``(T, C + 1, C + 1)``, rows exact, columns seed.
    """
    cells, counts = seed_histogram(cam, keys, gt, thresholds, num_classes)
    num_classes = num_classes or len(cam)
    return histogram_confusion(sum_histograms([(cells, counts)], num_classes, len(thresholds)))


def own_confusion(
    background: ArrayLike,
    cam: ArrayLike,
    keys: ArrayLike | None,
    gt: ArrayLike,
    num_classes: int,
) -> np.ndarray:
    """Confusion matrix of one image's seed ``argmax([background, cam])``, without a threshold.

    Args:
        background: The network's own background map ``(H, W)`` (SIPE).
        cam, keys, gt, num_classes: As in :func:`seed_histogram`.

    Returns:
        int64 ``(C + 1, C + 1)``, rows exact, columns seed.

    Raises:
        ValueError: The background has another size than the mask, or an id is out of its range.
    """
    background, cam, gt = (torch.as_tensor(x).cpu() for x in (background, cam, gt))
    if background.shape != gt.shape:
        raise ValueError(f'background of shape {tuple(background.shape)} for a mask of shape '
                         f'{tuple(gt.shape)}')
    ids = mask_ids_of(np.arange(len(cam)) if keys is None else np.asarray(keys))
    best = torch.cat([background[None].float(), cam.float()]).argmax(0)
    return confusion_matrix(ids[best.numpy()], gt.numpy().astype(np.int64), num_classes)[:, :-1]


def sum_histograms(
    histograms: Sequence[tuple], num_classes: int, num_thresholds: int) -> np.ndarray:
    """Add the sparse histograms of :func:`seed_histogram` to one int64 ``(C + 1, C, T + 1)``."""
    shape = (num_classes + 1, num_classes, num_thresholds + 1)
    total = np.zeros(int(np.prod(shape)), dtype=np.int64)
    for cells, counts in histograms:
        total[np.asarray(cells.cpu())] += np.asarray(counts.cpu())
    return total.reshape(shape)


@dataclass
class SeedCurve:
    """Confusion matrices ``(T, C + 1, C + 1)`` of a set of images at thresholds ``(T,)``."""

    thresholds: np.ndarray
    confusion: np.ndarray

    @property
    def miou(self) -> np.ndarray:
        """mIoU in percent at every threshold, ``(T,)``."""
        return 100 * np.nanmean(iou_from_confusion(self.confusion), axis=-1)

    @property
    def means(self) -> dict[str, list[float]]:
        """Mean scores (:func:`~mmwsss.evaluation.mean_scores`) by name, one per threshold."""
        rows = [mean_scores(confusion) for confusion in self.confusion]
        return {key: [row[key] for row in rows] for key in rows[0]}

    @property
    def best(self) -> float:
        """The threshold of the highest mIoU, the lowest of several."""
        return float(self.thresholds[int(np.argmax(self.miou))])

    def at(self, threshold: float) -> np.ndarray:
        """The confusion matrix at one of the thresholds.

        Raises:
            KeyError: The threshold is not one of ``thresholds``.
        """
        index = np.flatnonzero(np.isclose(self.thresholds, threshold, atol=1e-6, rtol=0))
        if not len(index):
            raise KeyError(f'threshold {threshold} is not among {self.thresholds.tolist()}')
        return self.confusion[index[0]]

    def scores(self, threshold: float) -> dict[str, float]:
        """Mean scores (:func:`~mmwsss.evaluation.mean_scores`) at one of the thresholds."""
        return mean_scores(self.at(threshold))
