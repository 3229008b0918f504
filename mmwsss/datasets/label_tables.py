"""Label tables: which classes are in which image.

Every reader returns ``{name: classes}``, where ``classes`` is a list of names, a list of class
indices from 0, or a multi-hot vector. Keys are left as the file has them, integers included.
"""

import csv
import io
import json
import pickle
from pathlib import Path
from typing import Dict, List, Union

import numpy as np

Classes = Union[List[str], List[int], np.ndarray]
Table = Dict[Union[str, int], Classes]


def read_label_table(path: Union[str, Path]) -> Table:
    """Read a label table.

    Args:
        path: ``.json`` (``{name: [class, ...]}``), ``.csv`` or ``.txt`` (a line ``name class class
            ...``, in csv with commas), or ``.npy`` (the field's ``cls_labels.npy``). Classes are
            names, or indices from 0.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: The file is not what its ending says, or names an image twice.
    """
    path = Path(path)
    readers = {'.json': _read_json, '.csv': _read_csv, '.txt': _read_txt, '.npy': read_label_npy}
    if path.suffix not in readers:
        raise ValueError(f'label table "{path}": the ending must be one of {list(readers)}')
    if not path.is_file():
        raise FileNotFoundError(
            f'no label table "{path}"; label_file is relative to data_root unless absolute')
    return readers[path.suffix](path)


def _no_duplicates(pairs, path: Path) -> dict:
    table = {}
    for name, classes in pairs:
        if name in table:
            raise ValueError(f'label table "{path}" has "{name}" twice; keep one entry')
        table[name] = classes
    return table


def read_text(path: Union[str, Path]) -> str:
    """Text of a list or table.

    Raises:
        ValueError: It is not UTF-8.
    """
    try:
        return Path(path).read_text(encoding='utf-8-sig')
    except UnicodeDecodeError as error:
        raise ValueError(f'"{path}" is not a text file in UTF-8 ({error})') from None


def _read_json(path: Path) -> Table:
    try:
        table = json.loads(
            read_text(path), object_pairs_hook=lambda pairs: _no_duplicates(pairs, path))
    except json.JSONDecodeError as error:
        raise ValueError(f'label table "{path}" is not valid JSON: {error}') from None
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
    return table


def _read_txt(path: Path) -> Table:
    rows = (line.split() for line in read_text(path).splitlines() if line.strip())
    return _no_duplicates(((row[0], row[1:]) for row in rows), path)


def _read_csv(path: Path) -> Table:
    rows = []
    for row in csv.reader(io.StringIO(read_text(path)), skipinitialspace=True):
        row = [cell.strip() for cell in row if cell.strip()]
        if len(row) == 1:  # written with blanks
            row = row[0].split()
        if row:
            rows.append(row)
    return _no_duplicates(((row[0], row[1:]) for row in rows), path)


# cls_labels.npy is a pickle, and so a program. It is read without running anything of it: all that
# it may name are the stand-ins below, which only store.


class _DType:
    """Stand-in of ``numpy.dtype``."""

    def __init__(self, code: str, *_):
        self.code = code
        self.order = '='

    def __setstate__(self, state):
        order = state[1]
        self.order = order.decode() if isinstance(order, bytes) else order

    def numpy(self) -> np.dtype:
        if self.code[:1] not in 'biufUS':
            raise pickle.UnpicklingError(f'dtype {self.code}')
        return np.dtype(self.code).newbyteorder(self.order)


class _Array:
    """Stand-in of ``numpy.ndarray``."""

    state = None

    def __setstate__(self, state):
        self.state = state

    def objects(self) -> list:
        _, _, dtype, _, data = self.state
        if dtype.code[:1] != 'O' or not isinstance(data, list):
            raise pickle.UnpicklingError('not an array of objects')
        return data

    def numpy(self) -> np.ndarray:
        _, shape, dtype, fortran, data = self.state
        array = np.frombuffer(data, dtype.numpy())
        return array.reshape(shape, order='F' if fortran else 'C')


def _reconstruct(*_) -> _Array:
    return _Array()


def _scalar(dtype: _DType, data: bytes):
    return np.frombuffer(data, dtype.numpy(), count=1)[0].item()


def _encode(text: str, encoding: str = 'latin1') -> bytes:
    # Old protocols write bytes as text.
    if encoding not in ('latin1', 'latin-1', 'bytes'):
        raise pickle.UnpicklingError(f'encoding {encoding}')
    return text.encode('latin1')


_ADMITTED = {
    ('numpy', 'ndarray'): _Array,
    ('numpy', 'dtype'): _DType,
    ('_codecs', 'encode'): _encode,
}
for _module in ('numpy.core.multiarray', 'numpy._core.multiarray'):  # numpy 1 and 2
    _ADMITTED[_module, '_reconstruct'] = _reconstruct
    _ADMITTED[_module, 'scalar'] = _scalar


class _LabelUnpickler(pickle.Unpickler):

    def find_class(self, module, name):
        if (module, name) not in _ADMITTED:
            raise pickle.UnpicklingError(f'it asks for {module}.{name}')
        return _ADMITTED[module, name]


def read_label_npy(path: Union[str, Path]) -> Table:
    """Read the field's ``cls_labels.npy``, a pickled ``{int or str: vector}``, executing nothing.

    Args:
        path: File written by ``np.save`` with numpy 1 or 2.

    Returns:
        ``{key: float32 (C,)}``.

    Raises:
        ValueError: The file holds anything but arrays, dicts, integers and strings, or is damaged.
    """
    with open(path, 'rb') as file:
        try:
            version = np.lib.format.read_magic(file)
            read_header = {(1, 0): np.lib.format.read_array_header_1_0,
                           (2, 0): np.lib.format.read_array_header_2_0}[version]
            read_header(file)
            array = _LabelUnpickler(file, encoding='latin1').load()
            table, = array.objects()
            if not isinstance(table, dict):
                raise pickle.UnpicklingError(f'it holds a {type(table).__name__}')
            labels = {}
            for key, vector in table.items():
                if not isinstance(key, (int, str)) or not isinstance(vector, (_Array, list)):
                    raise pickle.UnpicklingError(
                        f'it has an entry {type(key).__name__}: {type(vector).__name__}')
                vector = vector.numpy() if isinstance(vector, _Array) else np.array(vector)
                labels[key] = vector.astype(np.float32)
        except Exception as error:  # a hostile or damaged file may fail in any way
            raise ValueError(
                f'"{path}" is not a label file that can be trusted: it must be np.save of a dict '
                f'{{id: vector}}, with arrays, dicts, integers and strings only ({error}). Nothing '
                'in it was executed; convert it to .json, {name: [class, ...]}') from None
    return labels
