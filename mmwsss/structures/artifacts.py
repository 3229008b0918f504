"""The files of a run: CAM files, masks, affinity scores, manifests and JSON records. Nothing else
reads or writes them.

All are written under a temporary name and renamed, so a file is whole or absent; a damaged one is
an error that names it.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from mmwsss.utils.io import atomic_write, file_digest
from mmwsss.utils.palette import voc_palette

# A normalised CAM may pass 1 by the rounding of float16.
TOLERANCE = 1e-3
CLASSES_CHUNK = 'classes'


# -- CAM files -------------------------------------------------------------------------------------
def save_cam(path: str | Path, cam: np.ndarray, keys: Sequence[int], size: Sequence[int],
             background: np.ndarray | None = None) -> None:
    """Write one CAM file.

    Args:
        path: ``<name>.npz``; missing folders are made.
        cam: ``(K, h, w)`` in [0, 1]; kept as float16.
        keys: The ``K`` classes, ``0..C-1``.
        size: Height and width of the image.
        background: The network's own background map ``(h, w)`` in [0, 1], if it has one (SIPE).
    """
    arrays = dict(cam=np.asarray(cam, np.float16), keys=np.asarray(keys, np.int64),
                  size=np.asarray(size, np.int64))
    if background is not None:
        arrays['bg'] = np.asarray(background, np.float16)
    with atomic_write(path, 'wb', flush=False) as file:
        np.savez(file, **arrays)


class CAMFile(NamedTuple):
    """The CAMs of one image.

    Args:
        cam: ``(K, h, w)`` in [0, 1].
        keys: The ``K`` classes, ``0..C-1``.
        size: Height and width of the image.
        background: The network's own background map ``(h, w)`` in [0, 1], if it has one (SIPE).
    """

    cam: np.ndarray
    keys: np.ndarray
    size: tuple[int, int]
    background: np.ndarray | None = None


def load_cam(path: str | Path, num_classes: int | None = None) -> CAMFile:
    """Read and check a CAM file.

    Args:
        path: ``<name>.npz``.
        num_classes: Number of foreground classes, if the keys are to be checked against it.

    Returns:
        Its content, the maps in float16.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: It is no CAM file, or its maps, keys or size are not as above.
    """
    arrays = _read_cam(path)
    return CAMFile(arrays['cam'], _check_keys(path, arrays, num_classes),
                   tuple(arrays['size'].tolist()), arrays.get('bg'))


def _read_cam(path: str | Path) -> dict[str, np.ndarray]:
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f'CAM file {path} does not exist; generate the CAMs of this list')
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = {key: file[key] for key in ('cam', 'keys', 'size')}
            if 'bg' in file:
                arrays['bg'] = file['bg']
    except Exception as error:  # what a damaged archive raises depends on where it is damaged
        raise ValueError(f'{path} is not a CAM file (cam, keys, size): {error}; delete it and '
                         'generate it again') from error
    cam, keys, size, background = (arrays.get(key) for key in ('cam', 'keys', 'size', 'bg'))
    if cam.ndim != 3 or keys.shape != (len(cam), ):
        raise _bad_cam(path, f'maps of shape {cam.shape} with keys of shape {keys.shape}; there '
                       'is one key for each map')
    if size.shape != (2, ) or not np.issubdtype(size.dtype, np.integer) or size.min() < 1:
        raise _bad_cam(path, f'its size is {size.tolist()}, not height and width')
    if background is not None and background.shape != cam.shape[1:]:
        raise _bad_cam(path, f'a background of shape {background.shape} for maps of {cam.shape}')
    for what, maps in (('CAM', cam), ('background', background)):
        if maps is None or not maps.size:
            continue
        if maps.dtype.kind not in 'fiub':
            raise _bad_cam(path, f'{what} of {maps.dtype}; they are numbers in [0, 1]')
        low, high = float(maps.min()), float(maps.max())
        if not (low >= 0 and high <= 1 + TOLERANCE):  # also catches nan
            raise _bad_cam(path, f'{what} values between {low:g} and {high:g}; normalise to [0, 1] '
                           'first')
    return arrays


def _check_keys(path: str | Path, arrays: dict, num_classes: int | None) -> np.ndarray:
    keys = arrays['keys']
    if not keys.size:
        return keys.astype(np.int64)
    if not np.issubdtype(keys.dtype, np.integer) or len(np.unique(keys)) < len(keys):
        raise _bad_cam(path, f'its keys {keys.tolist()} are not different class indices')
    if keys.min() < 0 or num_classes is not None and keys.max() >= num_classes:
        there = '' if num_classes is None else f' 0..{num_classes - 1}'
        raise _bad_cam(path, f'class indices {keys.tolist()} are not in{there or " 0, 1, ..."}')
    return keys


def _bad_cam(path: str | Path, reason: str) -> ValueError:
    return ValueError(f'CAM file {path}: {reason}. Delete it and generate it again')


# -- masks -----------------------------------------------------------------------------------------
def read_mask(path: str | Path) -> np.ndarray:
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
        raise ValueError(f'mask {path} cannot be decoded: {error}; restore it (one that the '
                         'pipeline made: run_pipeline.py --verify makes it again)') from error


def write_mask(path: str | Path, mask: np.ndarray, palette: Sequence = (),
               classes: Sequence[str] = ()) -> None:
    """Write a mask of class ids as palette PNG of 8 bits.

    Args:
        path: File name; missing folders are made.
        mask: Class ids ``(H, W)``, 0 to 255. More than 254 foreground classes do not fit and are
            refused when a data set is built (:class:`~mmwsss.datasets.mask_ids.MaskIds`).
        palette: RGB triples of the first ids; the VOC colours for the others.
        classes: Names of the ids 0, 1, ...; kept in the text chunk ``classes`` of the file, see
            :func:`read_classes`.

    Raises:
        ValueError: The mask is not two-dimensional, or an id is out of range.
    """
    mask = np.asarray(mask)
    if mask.ndim != 2 or mask.size and not 0 <= mask.min() <= mask.max() <= 255:
        raise ValueError(f'mask {path}: shape {mask.shape}; a mask is (height, width) of ids 0 to '
                         '255')
    image = Image.fromarray(np.ascontiguousarray(mask, dtype=np.uint8))
    image.putpalette(np.array(_full_palette(palette), np.uint8).tobytes())
    text = PngInfo()
    if classes:
        text.add_itxt(CLASSES_CHUNK, json.dumps(list(classes), ensure_ascii=False))
    with atomic_write(path, 'wb', flush=False) as file:
        image.save(file, format='PNG', pnginfo=text)


def read_classes(path: str | Path) -> tuple[str, ...]:
    """Names of the ids 0, 1, ... that a mask file carries; empty if it carries none."""
    with Image.open(path) as image:
        return tuple(json.loads(getattr(image, 'text', {}).get(CLASSES_CHUNK, '[]')))


def write_class_names(folder: str | Path, classes: Sequence[str], palette: Sequence = ()) -> None:
    """Write beside masks what their ids mean.

    Args:
        folder: Of the masks. It gets ``classes.txt``, a name per line in the order of the ids from
            0, and ``classes.json``, ``[{id, name, color}]`` with the ignored 255 at its end.
        classes: Names of the ids 0, 1, ... (``background`` first).
        palette: RGB triples of the first ids; the VOC colours for the others.
    """
    colors = _full_palette(palette)
    records = [dict(id=i, name=name, color=colors[i]) for i, name in enumerate(classes)]
    records.append(dict(id=255, name='ignored', color=colors[255]))
    write_record(Path(folder) / 'classes.json', records)
    with atomic_write(Path(folder) / 'classes.txt') as file:
        file.writelines(f'{name}\n' for name in classes)


def _full_palette(palette: Sequence) -> list[list[int]]:
    """RGB of all 256 ids."""
    return [[int(value) for value in color] for color in palette] + voc_palette()[len(palette):]


# -- JSON records ----------------------------------------------------------------------------------
def jsonable(value: Any) -> Any:
    """The value in plain numbers, lists and dicts; nan and inf, which JSON lacks, become None."""
    if isinstance(value, dict):
        return {str(key): jsonable(item) for key, item in value.items()}
    if hasattr(value, 'tolist'):
        value = value.tolist()
    if isinstance(value, (list, tuple)):
        return [jsonable(item) for item in value]
    return None if isinstance(value, float) and not np.isfinite(value) else value


def write_record(path: str | Path, value: Any) -> None:
    """Write a record as JSON, see :func:`jsonable`; what JSON does not know is written as text."""
    with atomic_write(path) as file:
        json.dump(jsonable(value), file, indent=1, default=str, ensure_ascii=False)


def read_record(path: str | Path, default: Any = ...) -> Any:
    """Read a record that :func:`write_record` made.

    Args:
        path: File name.
        default: What to return where there is no file; without it, that is an error.

    Raises:
        FileNotFoundError: There is no such file, and no ``default``.
        ValueError: The file is damaged.
    """
    path = Path(path)
    if not path.is_file():
        if default is ...:
            raise FileNotFoundError(f'record "{path}" does not exist')
        return default
    try:
        return json.loads(path.read_text(encoding='utf-8'))
    except (ValueError, RecursionError) as error:
        raise ValueError(f'"{path}" is damaged ({error}); delete it and run again') from error


# -- affinity scores -------------------------------------------------------------------------------
def save_affinity_scores(path: str | Path, scores: np.ndarray, keys: Sequence[int]) -> None:
    """Write ``<name>.npz`` of PSA's affinity labels.

    Args:
        path: The file.
        scores: ``(2, K + 1, H, W)`` in [0, 1] under much and under little background; kept as
            float16.
        keys: The ``K`` classes, ``0..C-1``.
    """
    with atomic_write(path, 'wb', flush=False) as file:
        np.savez_compressed(file, scores=np.asarray(scores, np.float16),
                            keys=np.asarray(keys, np.int64))


def load_affinity_scores(path: str | Path) -> tuple[np.ndarray, np.ndarray]:
    """Scores and keys of a file of :func:`save_affinity_scores`.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: It is no such file.
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            return file['scores'], file['keys']
    except FileNotFoundError:
        raise FileNotFoundError(f'no affinity scores "{path}"; make them with '
                                'tools/generate_masks.py --refine affinity') from None
    except (KeyError, OSError, ValueError) as error:
        raise ValueError(f'"{path}" holds no affinity scores ({error}); make it again') from error


# -- manifests -------------------------------------------------------------------------------------
def cam_record(folder: str | Path, name: str) -> dict:
    """What the manifest says of a CAM file, which is checked: ``name``, ``classes`` (indices),
    ``size`` (height and width of the image), ``sha256`` (of the file).

    Raises:
        FileNotFoundError, ValueError: See :func:`load_cam`.
    """
    path = Path(folder) / f'{name}.npz'
    cam = load_cam(path)
    return dict(name=name, classes=cam.keys.tolist(), size=list(cam.size),
                sha256=file_digest(path))


def mask_record(path: str | Path, name: str) -> dict:
    """What the manifest says of a mask, or of a file of affinity scores: as :func:`cam_record`, and
    of masks ``background``, its share of the pixels that are not 255 (1 if all are)."""
    path = Path(path)
    if path.suffix == '.npz':
        scores, keys = load_affinity_scores(path)
        return dict(name=name, classes=keys.tolist(), size=list(scores.shape[2:]),
                    sha256=file_digest(path))
    mask = read_mask(path)
    classes = [int(i) - 1 for i in np.unique(mask) if 0 < i < 255]
    known = mask[mask != 255]
    background = float((known == 0).mean()) if known.size else 1.
    return dict(name=name, classes=classes, size=list(mask.shape), sha256=file_digest(path),
                background=round(background, 4))


def write_manifest(folder: str | Path, records: Sequence[dict]) -> list[dict]:
    """Write ``<folder>/manifest.jsonl``, one record of :func:`cam_record` or :func:`mask_record` a
    line, and return the records."""
    with atomic_write(Path(folder) / 'manifest.jsonl') as file:
        file.writelines(json.dumps(record) + '\n' for record in records)
    return list(records)


def read_manifest(folder: str | Path) -> list[dict]:
    """The records of ``<folder>/manifest.jsonl``, see :func:`write_manifest`.

    Raises:
        FileNotFoundError: There is none.
        ValueError: It is damaged.
    """
    path = Path(folder) / 'manifest.jsonl'
    if not path.is_file():
        raise FileNotFoundError(f'manifest "{path}" does not exist; generate the CAMs first')
    try:
        records = [json.loads(line) for line in path.read_text(encoding='utf-8').splitlines()]
        if not all(isinstance(record['name'], str) and isinstance(record['sha256'], str)
                   for record in records):
            raise ValueError('name and sha256 are strings')
    except (ValueError, RecursionError, KeyError, TypeError) as error:
        raise ValueError(f'"{path}" is damaged ({error}); delete it and run again') from error
    return records
