"""The field's ``cls_labels.npy``, read without executing anything of it."""

import io
import pickle
from pathlib import Path

import numpy as np

MAX_CLASSES = 1 << 16

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


class _LabelUnpickler(pickle._Unpickler):
    """In Python, since the one in C takes the size of its memory from the file."""

    def find_class(self, module, name):
        if (module, name) not in _ADMITTED:
            raise pickle.UnpicklingError(f'it asks for {module}.{name}')
        return _ADMITTED[module, name]


def _vector(value) -> np.ndarray:
    """float32 ``(C,)``; a list may not be nested, since a small file can hold a huge nest."""
    if isinstance(value, _Array):
        value = value.numpy()
    elif not all(isinstance(item, (bool, int, float)) for item in value[:MAX_CLASSES]):
        raise pickle.UnpicklingError('a list holds more than numbers')
    if np.ndim(value) != 1 or len(value) > MAX_CLASSES:
        raise pickle.UnpicklingError('a label is no vector')
    return np.asarray(value, np.float32)


def read_label_npy(path: str | Path) -> dict[int | str, np.ndarray]:
    """Read the field's ``cls_labels.npy``, a pickled ``{int or str: vector}``, executing nothing.

    Args:
        path: File written by ``np.save`` with numpy 1 or 2.

    Returns:
        ``{key: float32 (C,)}``.

    Raises:
        ValueError: The file holds anything but arrays, dicts, integers and strings, or is damaged.
    """
    file = io.BytesIO(Path(path).read_bytes())  # lengths in it are cut at its end
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
            labels[key] = _vector(vector)
    except Exception as error:  # a hostile or damaged file may fail in any way
        raise ValueError(
            f'"{path}" is not a label file that can be trusted: it must be np.save of a dict '
            f'{{id: vector}}, with arrays, dicts, integers and strings only ({error}). Nothing in '
            'it was executed; convert it to .json, {name: [class, ...]}') from None
    return labels
