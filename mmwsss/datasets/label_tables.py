"""Label tables: which classes are in which image.

Every reader returns ``{name: classes}``, where ``classes`` is a list of names, a list of class
indices from 0, or a multi-hot array; an empty list is an image without any class. Keys are left as
the file has them, integers included.
"""

import csv
import functools
import io
import json
import re
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
from torch import Tensor

from mmwsss.utils.io import read_text

from .annotations import LabelTable, is_coco, read_coco, read_label_folder
from .label_npy import read_label_npy

Classes = list[str] | list[int] | np.ndarray | Tensor
MULTI_HOT = np.ndarray | Tensor  # arrays are multi-hot, lists never
Table = dict[str | int, Classes]  # of a reader

# Words of a header, by which a CSV tells its form.
_IMAGE_WORDS = {'', 'image', 'images', 'img', 'imageid', 'imagename', 'imagepath', 'imgid',
                'imgpath', 'id', 'name', 'file', 'filename', 'filepath', 'path'}
_CLASS_WORDS = {'class', 'classes', 'classname', 'label', 'labels', 'category', 'categories', 'tag',
                'tags', 'object', 'objects'}
_BITS = {'0': 0, '1': 1, '0.0': 0, '1.0': 1, 'false': 0, 'true': 1, '': 0}


def read_label_table(path: str | Path) -> LabelTable:
    """Read a label table.

    ========== ============================================================================
    ``.json``  ``{name: [class, ...]}``, or an instances file of COCO
    ``.csv``   wide: a header ``image,cat,dog`` and a column of 0 and 1 (or false and true) for
               each class; long: a line ``image,class`` for each class of an image, with or
               without a header; or a line ``image,class,class,...``. ``;`` and tabs separate
               as well; an unnamed first column, as pandas writes it, is left out
    ``.txt``   a line ``name class class ...``
    ``.npy``   the field's ``cls_labels.npy``
    a folder   VOC's XML annotations, YOLO's labels, or a folder of images for each class
    ========== ============================================================================

    Classes are names, or indices from 0. A name without classes is an image without any.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: The file is not what its ending says, names no image or one twice, or holds
            zeros and ones without a header that names their classes, or other columns than those
            above.
    """
    path = Path(path)
    readers = {'.json': _read_json, '.csv': _read_csv, '.txt': _read_txt, '.npy': read_label_npy}
    if path.suffix not in readers and not path.is_dir():
        raise ValueError(f'label table "{path}": the ending must be one of {list(readers)}, or it '
                         'must be a folder')
    if not path.exists():
        raise FileNotFoundError(
            f'no label table "{path}"; label_file is relative to data_root unless absolute')
    if path.is_dir():
        return _some(read_label_folder(path), path)
    state = path.stat()
    return _read_file(readers[path.suffix], path, state.st_mtime_ns, state.st_size)


@functools.lru_cache(maxsize=2)  # COCO's instances take 14 s, and several data sets ask for them
def _read_file(reader: Callable[[Path], Table], path: Path, *state: int) -> LabelTable:
    return _some(reader(path), path)


def _some(table: Table, path: Path) -> LabelTable:
    if not table:
        raise ValueError(f'label table "{path}" names no image')
    return table if isinstance(table, LabelTable) else LabelTable(table)


def _no_duplicates(pairs, path: Path) -> dict:
    table = {}
    for name, classes in pairs:
        if name in table:
            raise ValueError(f'label table "{path}" has "{name}" twice; keep one entry')
        table[name] = classes
    return table


def refuse_multi_hot(table: Mapping[str | int, Classes], owner: str) -> None:
    """Refuse lists that are zeros and ones by class, which would be read as indices: all hold
    nothing else, and one repeats one of them, or both ``[0, 1]`` and ``[1, 0]`` are there.

    What is left is read as indices: lists of two classes that are all ``[0, 1]``.

    Args:
        table: By image; arrays pass.
        owner: Of the table, for the message.

    Raises:
        ValueError: Says how to give them.
    """
    rows = {name: tuple(classes) for name, classes in table.items()
            if not isinstance(classes, MULTI_HOT) and len(classes) > 1}
    bits = ('0', '1', 0, 1)
    if all(item in bits for row in rows.values() for item in row):
        found = {tuple(map(int, row)) for row in rows.values()}
        if {(0, 1), (1, 0)} <= found or any(len(set(row)) < len(row) for row in found):
            raise ValueError(
                f'{owner}: the entry of "{next(iter(rows))}" and the others look like a 0 or 1 for '
                'each class, but lists hold names or indices of classes. Give names; or a NumPy '
                'array or tensor of zeros and ones; or write them as .csv with a header that names '
                'the classes, "image,cat,dog"')


def _no_multi_hot(table: Table, path: Path) -> Table:
    refuse_multi_hot(table, f'label table "{path}"')
    return table


def _read_json(path: Path) -> Table:
    text = read_text(path)
    duplicates: list[str] = []

    def pairs_to_dict(pairs: list) -> dict:
        table = dict(pairs)
        if len(table) < len(pairs):
            counts = Counter(name for name, _ in pairs)
            duplicates.append(next(name for name in counts if counts[name] > 1))
        return table

    try:
        table = json.loads(text, object_pairs_hook=pairs_to_dict)
    except RecursionError:
        raise ValueError(f'label table "{path}" is nested too deeply; it must be '
                         '{name: [class, ...]}') from None
    except ValueError as error:  # JSONDecodeError, or a number of thousands of digits
        raise ValueError(f'label table "{path}" is not valid JSON: {error}') from None
    if duplicates:
        raise ValueError(f'label table "{path}" has "{duplicates[0]}" twice; keep one entry')
    if is_coco(table):
        return read_coco(table, path)
    if not isinstance(table, dict):
        raise ValueError(f'label table "{path}" must be {{name: [class, ...]}}, '
                         f'not a {type(table).__name__}')
    for name, classes in table.items():
        if isinstance(classes, (str, int)):
            table[name] = classes = [classes]
        if not isinstance(classes, list) or not all(
                isinstance(c, (str, int)) and not isinstance(c, bool) for c in classes):
            raise ValueError(f'label table "{path}": the entry of "{name}" must be a list of class '
                             'names or indices')
    return _no_multi_hot(table, path)


def _read_txt(path: Path) -> Table:
    rows = [line.split() for line in read_text(path).splitlines() if line.strip()]
    commas = next((row for row in rows if ',' in row[0]), None)
    if commas and not any(len(row) > 1 and ',' not in row[0] for row in rows):
        raise ValueError(f'label table "{path}": blanks separate in a .txt, but '
                         f'"{" ".join(commas)}" has commas; call it .csv, or write "image class '
                         'class"')
    return _no_multi_hot(_no_duplicates(((row[0], row[1:]) for row in rows), path), path)


# -- CSV -------------------------------------------------------------------------------------------
def _rows(path: Path) -> list[list[str]]:
    """Cells of the lines that are not empty."""
    text = read_text(path)
    first = text.lstrip().split('\n', 1)[0]
    delimiter = next((mark for mark in ',;\t' if mark in first), ',')
    try:
        rows = [[cell.strip() for cell in row] for row in csv.reader(
            io.StringIO(text), delimiter=delimiter, skipinitialspace=True)]
    except csv.Error as error:
        raise ValueError(f'label table "{path}" is not valid CSV: {error}; is a quotation mark not '
                         'closed?') from None
    return [row for row in rows if any(row)]


def _word(cell: str) -> str:
    return re.sub(r'[\s_-]', '', cell.lower())


def _names_classes(header: list[str]) -> bool:
    """Whether the columns are called "class", "label 2" and the like, not by the classes."""
    return all(not cell or _word(cell).rstrip('0123456789') in _CLASS_WORDS for cell in header[1:])


def _read_csv(path: Path) -> Table:
    rows = _rows(path)
    if rows and len(rows[0]) > 2 and not rows[0][0] and _word(rows[0][1]) in _IMAGE_WORDS:
        rows = [row[1:] for row in rows]  # the index of pandas
    if not rows:
        return {}
    header, body = rows[0], rows[1:]
    for row in rows:
        cell = next((cell for cell in row[1:] if ',' in cell or cell[:1] in '[{(' and cell), None)
        if cell is not None:
            raise ValueError(f'label table "{path}": the cell "{cell}" of "{row[0]}" looks like '
                             'several classes; write a class a cell, or put ";" between them')
    has_header = _word(header[0]) in _IMAGE_WORDS and len(header) > 1
    if has_header and len(header) == 2 and _word(header[1]) in _CLASS_WORDS:
        return _long((row[0], [name for cell in row[1:] for name in re.split(r'\s*[;|]\s*', cell)])
                     for row in body)
    if has_header and not _names_classes(header) or _is_wide(header, body):
        return _wide(header, body, path)
    table = []
    for row in body if has_header else rows:
        if len(row) == 1 and not has_header:  # written with blanks
            row = row[0].split()
        table.append((row[0], [cell for cell in row[1:] if cell]))
    if all(len(classes) <= 1 for _, classes in table):
        return _long(table)
    return _no_multi_hot(_no_duplicates(table, path), path)


def _long(pairs) -> Table:
    """The classes of all lines of an image, in their order."""
    table: Table = {}
    for name, classes in pairs:
        found = table.setdefault(name, [])
        found += [item for item in classes if item and item not in found]
    return table


def _is_wide(header: list[str], body: list[list[str]]) -> bool:
    """Whether a first row that is not known as a header names classes all the same: below it most
    cells are bits, in it none."""
    if len(header) < 2 or any(cell.lower() in _BITS for cell in header[1:]):
        return False
    cells = [cell for row in body for cell in row[1:] if cell]
    return 2 * sum(cell.lower() in _BITS for cell in cells) > len(cells)


def _wide(header: list[str], body: list[list[str]], path: Path) -> LabelTable:
    names = header[1:]
    if len(set(names)) < len(names) or '' in names:
        raise ValueError(f'label table "{path}": the header {header[:20]} must name each class '
                         'once')
    for row in body:
        if len(row) != len(header):
            raise ValueError(f'label table "{path}": the row of "{row[0]}" has {len(row)} cells, '
                             f'its header {len(header)}')
        for name, cell in zip(names, row[1:]):
            if cell.lower() not in _BITS:
                raise ValueError(
                    f'label table "{path}": "{cell}" of "{row[0]}" in the column "{name}" must be '
                    '0 or 1, since the header names the classes. Take columns out that are no '
                    'class; columns that hold names of classes must be called "class"')
    table = ((row[0], [name for name, cell in zip(names, row[1:]) if _BITS[cell.lower()]])
             for row in body)
    return LabelTable(_no_duplicates(table, path), names)
