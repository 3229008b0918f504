"""Masks of class ids in files, and their colours."""

from pathlib import Path
from typing import List, Sequence, Union

import numpy as np
from PIL import Image

from .io import atomic_write


def voc_palette(num_colors: int = 256) -> List[List[int]]:
    """The VOC colour map: the bits of the class id, spread over the high bits of R, G and B.

    Returns:
        ``num_colors`` RGB triples; background (0) is black and 255 is cream.
    """
    ids = np.arange(num_colors)
    colors = np.zeros((num_colors, 3), np.int64)
    for place in range(8):
        for channel in range(3):
            colors[:, channel] |= ((ids >> (3 * place + channel)) & 1) << (7 - place)
    return colors.tolist()


def read_mask(path: Union[str, Path]) -> np.ndarray:
    """Read a mask of class ids (palette or grey PNG) as uint8 ``(H, W)``.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: It is not a readable image, or not one of a single channel.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f'mask {path} does not exist')
    try:
        with Image.open(path) as image:
            if image.mode not in ('P', 'L', '1'):
                raise ValueError(f'mode {image.mode}; a mask is a palette or grey PNG of ids')
            return np.array(image, dtype=np.uint8)
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise ValueError(f'mask {path} cannot be decoded: {error}; restore it') from error


def write_mask(path: Union[str, Path], mask: np.ndarray, palette: Sequence = ()) -> None:
    """Write a mask of class ids as palette PNG, whole or not at all.

    Args:
        path: File name; missing folders are made.
        mask: Class ids ``(H, W)``, 0 to 255.
        palette: RGB triples of the first ids; the VOC colours for the others.
    """
    colors = voc_palette()
    colors[:len(palette)] = [list(color) for color in palette]
    image = Image.fromarray(np.ascontiguousarray(mask, dtype=np.uint8))
    image.putpalette(np.array(colors, np.uint8).tobytes())
    with atomic_write(path, 'wb') as file:
        image.save(file, format='PNG')
