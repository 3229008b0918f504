"""Colours of class ids."""

import numpy as np


def voc_palette(num_colors: int = 256) -> list[list[int]]:
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
