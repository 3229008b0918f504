"""Masks of class ids in files, and their colours."""

import json
from pathlib import Path
from typing import List, Sequence, Union

import numpy as np
from PIL import Image, PngImagePlugin

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
    except (OSError, SyntaxError, ValueError) as error:
        raise ValueError(f'mask {path} cannot be decoded: {error}; restore it') from error


def write_mask(path: Union[str, Path], mask: np.ndarray, palette: Sequence = (),
               classes: Sequence[str] = ()) -> None:
    """Write a mask of class ids as palette PNG, whole or not at all.

    Args:
        path: File name; missing folders are made.
        mask: Class ids ``(H, W)``, 0 to 255.
        palette: RGB triples of the first ids; the VOC colours for the others.
        classes: Names of the ids from 0; kept as a JSON list in the PNG's text chunk ``classes``.
    """
    text = None
    if classes:
        text = PngImagePlugin.PngInfo()
        text.add_itxt('classes', json.dumps(list(classes), ensure_ascii=False))
    colors = voc_palette()
    colors[:len(palette)] = [list(color) for color in palette]
    image = Image.fromarray(np.ascontiguousarray(mask, dtype=np.uint8))
    image.putpalette(np.array(colors, np.uint8).tobytes())
    with atomic_write(path, 'wb') as file:
        image.save(file, format='PNG', pnginfo=text)


def write_class_names(folder: Union[str, Path], classes: Sequence[str],
                      palette: Sequence = ()) -> None:
    """Write beside masks what their ids mean.

    Args:
        folder: Of the masks. It gets ``classes.txt``, a name per line in the order of the ids from
            0, and ``classes.json``, ``[{id, name, color}]`` with the ignored 255 at its end.
        classes: Names of the ids from 0 (``background`` first).
        palette: RGB triples of the first ids; the VOC colours for the others.
    """
    colors = voc_palette()
    colors[:len(palette)] = [[int(value) for value in color] for color in palette]
    records = [dict(id=i, name=name, color=colors[i]) for i, name in enumerate(classes)]
    records.append(dict(id=255, name='ignored', color=colors[255]))
    with atomic_write(Path(folder) / 'classes.json') as file:
        json.dump(records, file, indent=1, ensure_ascii=False)
    with atomic_write(Path(folder) / 'classes.txt') as file:
        file.writelines(f'{name}\n' for name in classes)
