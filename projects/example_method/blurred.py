"""A data view of one's own, outside the package: the image as a camera out of focus sees it."""

import cv2
import torch

from mmwsss.datasets import DataView
from mmwsss.registry import DATA_VIEWS


@DATA_VIEWS.register_module()
class BlurredView(DataView):
    """Adds ``blurred`` (or ``name``), the sample's image under Gaussian blur.

    Args:
        sigma: Range of the blur's standard deviation in pixels, drawn anew in each epoch.
        kwargs: ``begin`` and ``name`` of :class:`DataView`.

    Raises:
        ValueError: ``sigma`` is no range of positive numbers.
    """

    name = 'blurred'

    def __init__(self, sigma: tuple[float, float] = (0.5, 2.), **kwargs):
        super().__init__(**kwargs)
        if not 0 < sigma[0] <= sigma[1]:
            raise ValueError(f'BlurredView: sigma={sigma} must be (low, high) with 0 < low <= high')
        self.sigma = tuple(sigma)

    def add(self, sample: dict, index: int, epoch: int) -> None:
        sigma = self.rng(index, epoch).uniform(*self.sigma)
        image = sample['inputs']['image'].permute(1, 2, 0).numpy()  # uint8 (H, W, 3)
        blurred = torch.from_numpy(cv2.GaussianBlur(image, (0, 0), sigma))
        sample['inputs'][self.name] = blurred.permute(2, 0, 1).contiguous()
        sample['data_samples'][self.name] = sample['data_samples']['image'].clone()
