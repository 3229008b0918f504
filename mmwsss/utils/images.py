"""Image files: sizes, lists, writing."""

import os
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from .io import atomic_write

IMG_SUFFIXES = tuple(suffix for lower in ('.jpg', '.jpeg', '.png', '.bmp', '.webp', '.tif', '.tiff')
                     for suffix in (lower, lower.upper(), lower.title()))
_SIDEWAYS = (5, 6, 7, 8)  # EXIF orientations of an image that lies on its side


def image_size(path: str | Path) -> tuple[int, int]:
    """Height and width of the upright image, from the head of the file.

    Everything in mmwsss and mmseg shows an image upright, as its EXIF orientation says and as tools
    for annotation do; masks have the size of the upright image.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: It is no image.
    """
    try:
        with Image.open(path) as image:
            width, height = image.size
            turned = orientation(image) in _SIDEWAYS
    except FileNotFoundError:
        raise FileNotFoundError(f'image "{path}" does not exist') from None
    except Exception as error:  # what a damaged head raises depends on the format
        raise ValueError(f'image "{path}" cannot be read: {error}; restore it or take it off the '
                         'list') from None
    return (width, height) if turned else (height, width)


def orientation(image: Image.Image) -> int:
    """EXIF orientation, 1 (upright) to 8, of what OpenCV turns as it reads."""
    if image.format == 'TIFF':  # Pillow turns it by itself
        return 1
    exif = Image.Exif()  # not image.getexif(), which also looks into XMP, as OpenCV does not
    exif.load(image.info.get('exif') or b'')
    return exif.get(0x0112, 1)


def write_image(path: str | Path, image: np.ndarray) -> None:
    """Write RGB ``(H, W, 3)`` or grey ``(H, W)`` uint8 as PNG or, by the ending, JPEG."""
    form = dict(format='JPEG', quality=95) if Path(path).suffix.lower() in ('.jpg', '.jpeg') else (
        dict(format='PNG'))
    with atomic_write(path, 'wb', flush=False) as file:
        Image.fromarray(image).save(file, **form)


def only_file(stem: str, endings: Sequence[str], exists: Callable[[str], bool]) -> str:
    """The image file of a name without ending: that of the endings which is there, or the first
    ending if none is.

    Raises:
        ValueError: There are several.
    """
    if len(endings) == 1:
        return stem + endings[0]
    found = [stem + ending for ending in endings if exists(stem + ending)]
    if len(found) > 1:
        raise ValueError(f'"{os.path.basename(stem)}" may be {" or ".join(found)}; name the ending '
                         '(img_suffix, or in the table of labels), or rename one')
    return found[0] if found else stem + endings[0]


def images_below(folder: str | Path, suffixes: Sequence[str] = IMG_SUFFIXES) -> list[str]:
    """Sorted paths, relative to a folder, of the image files in it and its subfolders."""
    return sorted((path.relative_to(folder).as_posix() for path in Path(folder).rglob('*')
                   if path.name.endswith(tuple(suffixes)) and path.is_file()),
                  key=os.path.splitext)  # "a" before "a b"


def list_images(sources: Sequence[str | Path]) -> dict[str, Path]:
    """Images of files and folders (with their subfolders) by name: the path below the folder,
    without its ending. A file that is named twice comes once.

    Raises:
        FileNotFoundError: There is no such file, or no image in a folder.
        ValueError: Two images have one name.
    """
    found: dict[str, Path] = {}
    for source in map(Path, sources):
        if source.is_file():
            paths, root = [source], source.parent
        elif source.is_dir():
            paths, root = [source / name for name in images_below(source)], source
        else:
            raise FileNotFoundError(f'no file or folder "{source}"')
        if not paths:
            raise FileNotFoundError(f'no image in "{source}"; their endings are '
                                    f'{", ".join(s for s in IMG_SUFFIXES if s.islower())}')
        for path in paths:
            name = path.relative_to(root).with_suffix('').as_posix()
            if name in found and found[name] != path:
                raise ValueError(f'"{found[name]}" and "{path}" would both be written as "{name}"; '
                                 'rename one of them')
            found[name] = path
    return found
