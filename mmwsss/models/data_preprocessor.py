"""From a collated batch of uint8 images to normalised views on the model's device."""

from collections.abc import Sequence

import torch
from mmengine.model import BaseDataPreprocessor
from mmengine.structures import BaseDataElement
from torch import Tensor

from mmwsss.registry import MODELS


def valid_mask(samples: Sequence, size: Sequence[int], device=None) -> Tensor | None:
    """Where a batch of padded crops shows the image.

    Args:
        samples: Data samples, with ``valid_box`` in their meta where the crop was padded.
        size: ``(H, W)`` of the crops.

    Returns:
        Float mask ``(N, 1, H, W)``, 1 on the image and 0 on padding; None if nothing is padded.
    """
    boxes = [sample.get('valid_box') for sample in samples]
    if all(box is None for box in boxes):
        return None
    height, width = size
    boxes = torch.tensor([(0, 0, height, width) if box is None else tuple(box) for box in boxes])
    boxes = boxes.to(device, non_blocking=True)
    top, left, box_height, box_width = boxes.T[..., None]
    rows = torch.arange(height, device=device)
    cols = torch.arange(width, device=device)
    rows = (rows >= top) & (rows < top + box_height)
    cols = (cols >= left) & (cols < left + box_width)
    return (rows[:, :, None] & cols[:, None, :])[:, None].float()


@MODELS.register_module()
class WSSSDataPreprocessor(BaseDataPreprocessor):
    """Stack, convert and normalise every view of a batch.

    A padded pixel is 0 *after* normalisation, as in the field's original code, so that it looks
    like the mean colour to the network.

    Args:
        mean: Per-channel mean in the order the network wants, on the 0..255 scale.
        std: Per-channel standard deviation, likewise.
        bgr_to_rgb: The images come from OpenCV as BGR; the network wants RGB.
        non_blocking: Copy to the device without waiting, which only pinned memory allows.
        channels_last: Give the images in PyTorch's memory format of that name, which convolutions
            hand on; on CPUs, depthwise ones are faster by it. The values are the same.
    """

    def __init__(self,
                 mean: Sequence[float] = (123.675, 116.28, 103.53),
                 std: Sequence[float] = (58.395, 57.12, 57.375),
                 bgr_to_rgb: bool = True,
                 non_blocking: bool = False,
                 channels_last: bool = False):
        super().__init__(non_blocking)
        self.register_buffer('mean', torch.tensor(mean).view(-1, 1, 1), persistent=False)
        self.register_buffer('std', torch.tensor(std).view(-1, 1, 1), persistent=False)
        self.bgr_to_rgb = bgr_to_rgb
        self.memory_format = torch.channels_last if channels_last else torch.contiguous_format

    def normalize(self, images: Tensor) -> Tensor:
        """uint8 ``(N, 3, H, W)`` in file order to normalised float in network order."""
        if self.bgr_to_rgb:
            images = images.flip(1)
        images = images.to(torch.float32, copy=not self.bgr_to_rgb)  # never the caller's own
        return images.sub_(self.mean).div_(self.std)

    @staticmethod
    def check_inputs(inputs: dict[str, Tensor]) -> None:
        """Check the views of one image, before the training.

        Raises:
            TypeError: One is no uint8 tensor ``(3, H, W)``.
        """
        for name, image in inputs.items():
            whole = isinstance(image, Tensor) and image.dtype == torch.uint8
            if not whole or image.dim() != 3 or image.shape[0] != 3:
                given = f'{type(image).__name__} {getattr(image, "dtype", "")}'
                raise TypeError(
                    f'view "{name}" of a sample must be a uint8 tensor (3, H, W), not {given} '
                    f'{tuple(getattr(image, "shape", ()))}; see the transform or the view of the '
                    'data set that makes it (to normalise is the data preprocessor\'s part)')

    def cast_data(self, data):
        """To the device, but not ``gt_label``, see :meth:`forward`."""
        if not isinstance(data, BaseDataElement):
            return super().cast_data(data)
        moved = data.new()
        for key, value in data.items():
            if key != 'gt_label' and hasattr(value, 'to'):
                moved.set_data({key: value.to(self.device, non_blocking=self._non_blocking)})
        return moved

    def forward(self, data: dict, training: bool = False) -> dict:
        """Args:
            data: ``inputs`` (view name to a list of uint8 ``(3, H, W)``) and ``data_samples`` (view
                name to a list of :class:`WSSSDataSample`).

        Returns:
            The same with each view one float tensor ``(N, 3, H, W)``. All goes to the model's
            device but ``gt_label``: how much there is to do may depend on it, and to read it back
            would wait for the device.

        Raises:
            ValueError: The images of one view differ in size.
        """
        data = self.cast_data(data)
        samples = data.get('data_samples') or {}
        views = {}
        for name, images in data['inputs'].items():
            if not isinstance(images, Tensor):
                sizes = {tuple(image.shape) for image in images}
                if len(sizes) > 1:
                    raise ValueError(
                        f'the images of view "{name}" differ in size ({sorted(sizes)}); crop '
                        'them to one size in the pipeline, or use batch_size=1')
                images = torch.stack(tuple(images))
            images = self.normalize(images)
            # A view without labels of its own shares the geometry of the main one.
            mask = valid_mask(samples.get(name) or samples.get('image') or [], images.shape[-2:],
                              images.device)
            images = images if mask is None else images.mul_(mask)
            views[name] = images.contiguous(memory_format=self.memory_format)
        return dict(inputs=views, data_samples=samples)
