"""A background threshold without ground truth.

Each rule is a function of what the CAM files hold: mostly of the histogram of the strongest class
at every pixel, ``max_c CAM``. None has seen a ground-truth mask; how far each is from the threshold
that a split's ground truth would choose is measured by ``tools/benchmarks/threshold_rules.py``.
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mmwsss.datasets.transforms import LoadImage
from mmwsss.models.refiners.crf import make_crf
from mmwsss.models.refiners.mask_refiners import with_background
from mmwsss.models.utils.cam import resize_cam
from mmwsss.structures.artifacts import load_cam
from mmwsss.utils.spread import spread

BINS = 256


def cam_histograms(cam_dir: str | Path, names: Sequence[str], bins: int = BINS) -> np.ndarray:
    """Histogram of ``max_c CAM`` in [0, 1] of each image, float64 ``(N, bins)``, each of sum 1.

    Raises:
        FileNotFoundError, ValueError: A CAM file is missing or damaged.
    """
    rows = []
    for name in names:
        cam, keys, *_ = load_cam(Path(cam_dir) / f'{name}.npz')
        if len(keys):
            counts = np.histogram(cam.max(0).astype(np.float32).clip(0, 1), bins, (0, 1))[0]
            rows.append(counts / counts.sum())
    return np.array(rows).reshape(-1, bins)


def centres(bins: int) -> np.ndarray:
    """CAM values at the middle of each bin."""
    return (np.arange(bins) + 0.5) / bins


def otsu(histograms: np.ndarray) -> float:
    """Otsu's threshold of all images' pixels together: the largest variance between the two
    sides (Otsu 1979)."""
    p, x = histograms.mean(0), centres(histograms.shape[1])
    low, mean = p.cumsum(), (p * x).cumsum()
    with np.errstate(invalid='ignore', divide='ignore'):
        between = (mean[-1] * low - mean)**2 / (low * (1 - low))
    return _edge(np.nan_to_num(between[:-1], posinf=0), len(p))


def otsu_per_image(histograms: np.ndarray) -> float:
    """The mean over the images of each one's own Otsu threshold."""
    return float(np.mean([otsu(row[None]) for row in histograms]))


def entropy(histograms: np.ndarray) -> float:
    """The largest sum of the entropies of the two sides (Kapur et al. 1985)."""
    p = histograms.mean(0)
    low = p.cumsum()[:-1]
    plogp = (p * np.log(np.where(p > 0, p, 1))).cumsum()
    with np.errstate(invalid='ignore', divide='ignore'):
        total = (np.log(low) - plogp[:-1] / low
                 + np.log(1 - low) - (plogp[-1] - plogp[:-1]) / (1 - low))
    total[(low < 1e-9) | (low > 1 - 1e-9)] = -np.inf
    return _edge(total, len(p))


def cross_entropy(histograms: np.ndarray) -> float:
    """The least cross entropy between the pixels and the means of the two sides (Li and Lee 1993);
    lower than Otsu's where few pixels are high."""
    p, x = histograms.mean(0), centres(histograms.shape[1])
    low, mean = p.cumsum()[:-1], (p * x).cumsum()
    below, above = mean[:-1], mean[-1] - mean[:-1]
    with np.errstate(invalid='ignore', divide='ignore'):
        score = below * np.log(below / low) + above * np.log(above / (1 - low))
    score[~np.isfinite(score)] = -np.inf
    return _edge(score, len(p))


def otsu_li(histograms: np.ndarray) -> float:
    """The geometric mean of :func:`otsu`, which is too high for CAMs with little high activation,
    and :func:`cross_entropy`, which is too low for CAMs with much."""
    return float(np.sqrt(otsu(histograms) * cross_entropy(histograms)))


def mean_share(histograms: np.ndarray, share: float = 0.25) -> float:
    """The threshold at which the classes cover a share of the images on average.

    Args:
        histograms: See :func:`cam_histograms`.
        share: In (0, 1); what is known or guessed of the data.
    """
    covered = 1 - histograms.mean(0).cumsum()  # above the upper edge of each bin
    return _edge(-np.abs(covered[:-1] - share), histograms.shape[1])


def mean_cam(histograms: np.ndarray) -> float:
    """:func:`mean_share` with the mean of the CAM, which is the share that is covered if a CAM
    value is read as the probability of foreground."""
    return mean_share(histograms, float((histograms.mean(0) * centres(histograms.shape[1])).sum()))


def _edge(score: np.ndarray, bins: int) -> float:
    """Upper edge of the best bin; the middle of them if several are equal."""
    best = np.flatnonzero(score >= score.max() - 1e-12)
    return float((best.mean() + 1) / bins)


def crf_agreement(cam_dir: str | Path, images: Mapping[str, str], preset: str = 'psa',
                  thresholds: Sequence[float] = tuple(np.arange(1, 13) / 20)) -> float:
    """The threshold whose seeds a dense CRF changes least: the largest mean IoU between the seed
    and the seed after the CRF, over the classes of the image and the background.

    Args:
        cam_dir: Folder of the CAM files.
        images: Image file by name.
        preset: Of the CRF.
        thresholds: What to choose from.

    Raises:
        ValueError: No image has a class.
    """
    crf, load = make_crf(preset), LoadImage()
    agreement = []
    for name, path in images.items():
        cam, keys, size, _ = load_cam(Path(cam_dir) / f'{name}.npz')
        if len(keys):
            image = load(dict(img_path=path))['img']
            cam = resize_cam(cam, size).numpy()
            agreement.append([_agreement(image, with_background(cam, t), crf)
                              for t in thresholds])
    if not agreement:
        raise _no_class(cam_dir)
    return float(thresholds[int(np.mean(agreement, axis=0).argmax())])


def _agreement(image: np.ndarray, scores: np.ndarray, crf: Callable) -> float:
    before, after = scores.argmax(0), crf(image, scores).argmax(0)
    ious = [((before == i) & (after == i)).sum() / max(((before == i) | (after == i)).sum(), 1)
            for i in range(len(scores))]
    return float(np.mean(ious))


def _no_class(cam_dir: str | Path) -> ValueError:
    return ValueError(f'the CAM files in "{cam_dir}" hold no class')


# Rules over histograms; 'crf' needs the images as well.
RULES: dict[str, Callable[[np.ndarray], float]] = dict(
    otsu=otsu, otsu_per_image=otsu_per_image, cross_entropy=cross_entropy, otsu_li=otsu_li,
    entropy=entropy, mean_share=mean_share, mean_cam=mean_cam)
# It assumes nothing of the data; what each rule loses is measured in docs/thresholds.md.
DEFAULT_RULE = 'otsu_li'


def choose_threshold(cam_dir: str | Path, names: Sequence[str], rule: str = DEFAULT_RULE,
                     images: Mapping[str, str] | None = None, limit: int = 1000,
                     **options: Any) -> float:
    """A background threshold in [0, 1] by a rule that needs no ground truth.

    Args:
        cam_dir: Folder of the CAM files.
        names: Ids of the images; of more than ``limit``, that many, evenly spread, are looked at.
        rule: Key of ``RULES``, or ``'crf'`` (:func:`crf_agreement`, on 32 images that have
            a class).
        images: Image file by name, for ``'crf'``.
        limit: See ``names``.
        options: Of the rule, as ``share=0.3`` of ``'mean_share'``.

    Raises:
        ValueError: Unknown rule, no images, or no image with a class.
    """
    if rule not in RULES and rule != 'crf':
        raise ValueError(f'no rule "{rule}" for a threshold; there are {[*RULES, "crf"]}')
    names = spread(list(names), limit)
    if not names:
        raise ValueError('no images to choose a threshold on')
    if rule == 'crf':
        if images is None:
            raise ValueError("the rule 'crf' needs the image files")
        known = [name for name in names if len(load_cam(Path(cam_dir) / f'{name}.npz').keys)]
        some = spread(known, 32)
        return crf_agreement(cam_dir, {name: images[name] for name in some}, **options)
    histograms = cam_histograms(cam_dir, names)
    if not len(histograms):
        raise _no_class(cam_dir)
    return round(RULES[rule](histograms, **options), 4)
