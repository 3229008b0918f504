"""From the results of a pipeline to what the model takes."""

from collections.abc import Sequence

import cv2
import numpy as np
import torch
from mmcv.transforms import BaseTransform

from mmwsss.registry import TRANSFORMS
from mmwsss.structures import WSSSDataSample


def _tensor(image: np.ndarray) -> torch.Tensor:
    """``(H, W, 3)`` to a tensor ``(3, H, W)``."""
    planes = np.empty((image.shape[2], *image.shape[:2]), image.dtype)
    cv2.split(image, list(planes))  # twice as fast as NumPy's transposed copy
    return torch.from_numpy(planes)


@TRANSFORMS.register_module()
class PackWSSSInputs(BaseTransform):
    """The end of a pipeline.

    Returns ``dict(inputs=..., data_samples=...)``, both by view name: ``inputs['image']`` uint8 BGR
    ``(3, H, W)`` and one such tensor for each of ``results['views']``;
    ``data_samples['image']`` a :class:`WSSSDataSample` (views share its geometry and labels).

    Args:
        meta_keys: What the sample takes from the results where present.
    """

    def __init__(self,
                 meta_keys: Sequence[str] = ('name', 'img_path', 'ori_shape', 'img_shape', 'flip',
                                             'valid_box', 'sample_idx')):
        self.meta_keys = tuple(meta_keys)

    def transform(self, results: dict) -> dict:
        inputs = {'image': _tensor(results['img'])}
        for name, view in results.get('views', {}).items():
            inputs[name] = _tensor(view)
        sample = WSSSDataSample(
            metainfo={key: results[key] for key in self.meta_keys if key in results})
        if 'gt_label' in results:
            sample.gt_label = torch.from_numpy(results['gt_label'])
        if 'gt_seg_map' in results:
            sample.gt_sem_seg = torch.from_numpy(results['gt_seg_map'].astype(np.int64))
        if 'prior_mask' in results:
            sample.prior_mask = torch.from_numpy(results['prior_mask'].astype(np.int64))
        if 'saliency' in results:
            sample.saliency = torch.from_numpy(results['saliency'].astype(np.float32) / 255)
        return dict(inputs=inputs, data_samples={'image': sample})
