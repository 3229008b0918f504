"""Colours of masks."""

from pathlib import Path
from typing import List, Sequence, Union

import numpy as np
from PIL import Image

from mmwsss.utils import atomic_write


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


def save_mask(path: Union[str, Path], mask: np.ndarray, palette: Sequence = ()) -> None:
    """Write a mask as palette PNG, whole or not at all.

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
