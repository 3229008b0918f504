"""The background threshold that is best after refinement, not before it."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mmwsss.datasets.splits import Split
from mmwsss.datasets.transforms import LoadImage
from mmwsss.evaluation import confusion_matrix, iou_from_confusion
from mmwsss.models.refiners import MaskRefiner
from mmwsss.registry import MODELS
from mmwsss.structures.artifacts import load_cam
from mmwsss.utils.parallel import ordered_map
from mmwsss.utils.progress import track
from mmwsss.utils.spread import spread

from .masks import device_of

# The seed's threshold times these; the cost is so many refinements of at most SAMPLE images.
FACTORS = (0.5, 0.7, 1., 1.4, 2.)
LOWEST, HIGHEST = 0.005, 0.95
SAMPLE = 40


def candidates(seed_threshold: float, factors: Sequence[float] = FACTORS) -> list[float]:
    """Thresholds in [LOWEST, HIGHEST] around that of the seed, which is one of them."""
    found = {round(min(max(seed_threshold * factor, LOWEST), HIGHEST), 4) for factor in factors}
    return sorted(found | {seed_threshold})


def beyond(best: float, known: Sequence[float]) -> list[float]:
    """Further thresholds where the best of those known is the first or the last of them."""
    further = []
    if best == min(known):
        further += candidates(best, FACTORS[:2])
    if best == max(known):
        further += candidates(best, FACTORS[3:])
    return [threshold for threshold in further if threshold not in known]


class _Confusions:
    """Confusion matrices of one image's refined masks, ``(T, C + 1, C + 2)``."""

    def __init__(self, refiner: MaskRefiner, thresholds: Sequence[float], split: Split,
                 cam_dir: Path):
        self.refiner, self.thresholds = refiner, thresholds
        self.split, self.cam_dir = split, cam_dir
        self.load = LoadImage()

    def __call__(self, record: dict) -> np.ndarray:
        name = record['name']
        image = self.load(dict(img_path=record['img_path']))['img']
        cam, keys, *_ = load_cam(self.cam_dir / f'{name}.npz', self.split.num_classes)
        truth = self.split.ground_truth(name)
        return np.stack([confusion_matrix(mask, truth, self.split.num_classes)
                         for mask in self.refiner.masks(image, cam, keys, self.thresholds)])


def refined_curve(refiner: dict | MaskRefiner, thresholds: Sequence[float], split: Split,
                  cam_dir: str | Path, limit: int | None = SAMPLE,
                  num_workers: int = 0) -> np.ndarray:
    """mIoU of whole refined masks, ``keep`` aside, at several background thresholds.

    Args:
        refiner: A :class:`~mmwsss.models.refiners.MaskRefiner`, or its config.
        thresholds: Values of ``bg``, in place of the refiner's own.
        split: Images with ground truth; of more than ``limit``, that many, evenly spread.
        cam_dir: Folder of CAM files.
        limit: None: all images.
        num_workers: Processes; 0 works in this one, and so does a refiner on a GPU.

    Returns:
        Percent, ``(T,)``.

    Raises:
        RuntimeError: An image cannot be refined; names it.
    """
    if isinstance(refiner, dict):
        refiner = MODELS.build(dict(refiner, bg=thresholds[0]))
    chosen = spread(range(len(split)), len(split) if limit is None else limit)
    infos = [split.dataset.get_data_info(i) for i in chosen]
    infos = [dict(name=info['name'], img_path=info['img_path']) for info in infos]
    job = _Confusions(refiner, thresholds, split, Path(cam_dir))
    results = ordered_map(job, infos, num_workers if device_of(refiner).type == 'cpu' else 0)
    total = 0
    for record, counts, error in track(results, 'refined thresholds', len(infos)):
        if error is not None:
            raise RuntimeError(f'refining "{record["name"]}" failed: {error}')
        total = total + counts
    return 100 * np.nanmean(iou_from_confusion(total), axis=-1)


def best_refined(refiner: dict, seed_threshold: float, split: Split, cam_dir: str | Path,
                 **options: Any) -> tuple[float, dict[str, float]]:
    """The best background threshold for masks after refinement.

    :func:`candidates` are tried, and as long as the best is the lowest or the highest of all,
    further ones beyond it.

    Args:
        refiner: Config of the refiner.
        split, cam_dir, options: As in :func:`refined_curve`.
        seed_threshold: What is best before refinement; the nearest to it wins a tie.

    Returns:
        The threshold, and mIoU (percent) of the sample by threshold.
    """
    curve: dict[float, float] = {}
    built = MODELS.build(dict(refiner, bg=seed_threshold))
    wanted = candidates(seed_threshold)
    while wanted:
        curve.update(zip(wanted, refined_curve(built, wanted, split, cam_dir, **options)))
        best = max(curve, key=lambda x: (curve[x], -abs(x - seed_threshold)))
        wanted = beyond(best, list(curve))
    return best, {f'{t:g}': round(float(curve[t]), 2) for t in sorted(curve)}
