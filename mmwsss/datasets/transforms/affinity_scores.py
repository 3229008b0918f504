"""Confident labels for AffinityNet from the CRF scores of a weak and a strong background (PSA)."""

import numpy as np
from mmcv.transforms import BaseTransform

from mmwsss.registry import TRANSFORMS
from mmwsss.structures.artifacts import load_affinity_scores

from ..mask_ids import mask_ids_of
from .geometry import MAP_FILL

MAP_FILL['affinity_scores'] = 0


@TRANSFORMS.register_module()
class LoadAffinityScores(BaseTransform):
    """Read the scores at ``prior_path`` that ``tools/generate_masks.py --refine affinity`` made.

    Use ``prior_dir=..., prior_suffix='.npz'`` in the data set. Adds ``affinity_scores``
    ``(H, W, 2 * (K + 1))``: the scores under much background (small alpha), then those under
    little, each with the background first, and ``affinity_keys``, the ``K`` classes. Crops and
    flips move them along.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: It is no such file, or not of the image's size.
    """

    path_field = 'prior_path'

    def transform(self, results: dict) -> dict:
        path = results[self.path_field]
        scores, keys = load_affinity_scores(path)
        if scores.shape[2:] != results['img'].shape[:2]:
            raise ValueError(f'"{path}" has size {scores.shape[2:]}, its image '
                             f'{results["img"].shape[:2]}; make it again from this image')
        results['affinity_keys'] = keys
        results['affinity_scores'] = np.ascontiguousarray(
            scores.reshape(-1, *scores.shape[2:]).transpose(1, 2, 0))
        return results


@TRANSFORMS.register_module()
class AffinityLabels(BaseTransform):
    """Scores to the label map of PSA at the stride of the network, as ``prior_mask``.

    Both stacks are averaged over ``stride x stride``. A class that wins under much background is
    sure; background that wins even under little is sure; all else, and padding, is 255.

    Args:
        stride: Of the network.
    """

    def __init__(self, stride: int = 8):
        self.stride = stride

    def transform(self, results: dict) -> dict:
        scores = results.pop('affinity_scores').astype(np.float32)
        height, width = (side // self.stride for side in scores.shape[:2])
        scores = scores[:height * self.stride, :width * self.stride].reshape(
            height, self.stride, width, self.stride, 2, -1).mean((1, 3))
        names = mask_ids_of(results['affinity_keys'])
        low, high = (names[scores[:, :, i].argmax(-1)] for i in range(2))
        label = np.where(low == 0, 255, low)
        label[high == 0] = 0
        label[scores.max((2, 3)) < 1e-5] = 255
        results['prior_mask'] = label.astype(np.uint8)
        return results
