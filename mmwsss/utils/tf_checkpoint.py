"""TensorFlow checkpoints, read without TensorFlow."""

import struct
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

_MAGIC = 0xdb4775248b80fb57
_DTYPES = {1: '<f4', 2: '<f8', 3: '<i4', 9: '<i8', 19: '<f2'}


def read_tensorflow(path: str | Path) -> dict[str, Tensor]:
    """The numeric variables of a checkpoint of the format V2 (``.index`` and ``.data-...``).

    Args:
        path: The ``.index`` file, or its name without the ending (``model.ckpt``).

    Returns:
        Tensors by their names, in TensorFlow's layout; other kinds of values are left out.

    Raises:
        FileNotFoundError: One of the files is missing.
        ValueError: A file is cut off, compressed or something else.
    """
    index = Path(str(path).removesuffix('.index') + '.index')
    if not index.is_file():
        raise FileNotFoundError(f'TensorFlow checkpoint "{path}" has no file "{index}"')
    try:
        entries = dict(_table(index.read_bytes()))
        shards = dict(_fields(entries.pop(b''))).get(1, 1)
        data = [_shard(index, i, shards) for i in range(shards)]
        return {name.decode(): tensor for name, value in entries.items()
                if (tensor := _tensor(value, data)) is not None}
    except (KeyError, IndexError, struct.error, UnicodeDecodeError, ValueError) as error:
        raise ValueError(f'"{index}" is no complete TensorFlow checkpoint ({error}); download it '
                         'again') from error


def _shard(index: Path, number: int, count: int) -> bytes:
    path = index.with_suffix(f'.data-{number:05d}-of-{count:05d}')
    if not path.is_file():
        raise FileNotFoundError(f'"{path}", which holds the values of "{index}", is missing')
    return path.read_bytes()


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[at]
        value |= (byte & 127) << shift
        at, shift = at + 1, shift + 7
        if byte < 128:
            return value, at


def _table(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Entries of a sorted table as LevelDB writes it."""
    footer = data[-48:]
    if len(footer) < 48 or struct.unpack('<Q', footer[-8:])[0] != _MAGIC:
        raise ValueError('no table of names')
    _, at = _varint(footer, 0)
    _, at = _varint(footer, at)
    for _, handle in _block(data, footer[at:]):
        yield from _block(data, handle)


def _block(data: bytes, handle: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Entries of a block; a key is stored as what differs from the key before."""
    offset, at = _varint(handle, 0)
    size, _ = _varint(handle, at)
    block = data[offset:offset + size]
    if data[offset + size] != 0:
        raise ValueError('its index is compressed')
    restarts, = struct.unpack('<I', block[-4:])
    end, at, key = len(block) - 4 * (restarts + 1), 0, b''
    while at < end:
        shared, at = _varint(block, at)
        own, at = _varint(block, at)
        length, at = _varint(block, at)
        key = key[:shared] + block[at:at + own]
        at += own
        yield key, block[at:at + length]
        at += length


def _fields(message: bytes) -> Iterator[tuple[int, int | bytes]]:
    """Numbers and values of the fields of a protocol buffer."""
    at = 0
    while at < len(message):
        tag, at = _varint(message, at)
        kind = tag & 7
        if kind == 0:
            value, at = _varint(message, at)
        elif kind in (1, 5):
            width = 8 if kind == 1 else 4
            value, at = message[at:at + width], at + width
        elif kind == 2:
            length, at = _varint(message, at)
            value, at = message[at:at + length], at + length
        else:
            raise ValueError(f'field of the unknown kind {kind}')
        yield tag >> 3, value


def _tensor(entry: bytes, data: list[bytes]) -> Tensor | None:
    """A variable by its entry: type (1), shape (2), shard (3), offset (4), size (5)."""
    fields = dict(_fields(entry))
    dtype = _DTYPES.get(fields.get(1))
    if dtype is None:
        return None
    shape = [dict(_fields(dim)).get(1, 0) for number, dim in _fields(fields.get(2, b''))
             if number == 2]
    start, size = fields.get(4, 0), fields.get(5, 0)
    raw = data[fields.get(3, 0)][start:start + size]
    if len(raw) != size:
        raise ValueError('its data end early')
    return torch.from_numpy(np.frombuffer(raw, dtype).reshape(shape).copy())
