"""An image as a user has it."""

from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from mmwsss.datasets.transforms import LoadImage

ImageLike = str | Path | np.ndarray | Image.Image


def read_image(image: ImageLike) -> np.ndarray:
    """The pixels that the networks see.

    Args:
        image: A file, a PIL image (both upright, as their EXIF says), or a uint8 array, BGR
            ``(H, W, 3)`` as of OpenCV or grey ``(H, W)``.

    Returns:
        uint8 BGR ``(H, W, 3)``.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: It cannot be read, or is no image.
    """
    if isinstance(image, (str, Path)):
        if Path(image).is_dir():
            raise ValueError(f'"{image}" is a folder, not an image')
        return LoadImage()(dict(img_path=str(image)))['img']
    if isinstance(image, Image.Image):
        image = ImageOps.exif_transpose(image)
        if image.mode.startswith('I'):  # 16 bits, which Pillow would cut off at 255
            image = Image.fromarray((np.asarray(image) // 256).clip(0, 255).astype(np.uint8))
        return np.ascontiguousarray(np.asarray(image.convert('RGB'))[..., ::-1])
    pixels = np.asarray(image)
    if pixels.ndim == 2:
        pixels = np.repeat(pixels[..., None], 3, axis=2)
    if pixels.dtype != np.uint8 or pixels.ndim != 3 or pixels.shape[2] != 3 or not pixels.size:
        got = 'None' if image is None else f'{pixels.dtype} {pixels.shape}'
        raise ValueError('an image must be a file, a PIL image or an uint8 BGR or grey array '
                         f'(H, W, 3) or (H, W), not {got}')
    return pixels
