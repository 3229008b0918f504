"""Masks of class ids in files."""

from pathlib import Path
from typing import Union

import numpy as np
from PIL import Image


def read_mask(path: Union[str, Path]) -> np.ndarray:
    """Read a mask of class ids (palette or grey PNG) as uint8 ``(H, W)``.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: It is not a readable picture, or not one of a single channel.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f'mask {path} does not exist')
    try:
        with Image.open(path) as image:
            if image.mode not in ('P', 'L', '1'):
                raise ValueError(f'mode {image.mode}; a mask is a palette or grey PNG of ids')
            return np.array(image, dtype=np.uint8)
    except (OSError, SyntaxError, ValueError) as error:
        raise ValueError(f'mask {path} cannot be read: {error}') from error
