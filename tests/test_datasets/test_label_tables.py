import io
import json
import os
import pickle
import struct

import numpy as np
import pytest

from mmwsss.datasets import read_label_table


def _write_npy(path, payload: bytes):
    header = b"{'descr': '|O', 'fortran_order': False, 'shape': (), }"
    header += b' ' * (64 - (10 + len(header) + 1) % 64) + b'\n'
    path.write_bytes(b'\x93NUMPY\x01\x00' + struct.pack('<H', len(header)) + header + payload)
    return path


def test_text_tables_agree(tmp_path):
    (tmp_path / 'a.json').write_text(json.dumps({'x': ['cat', 'dog'], 'y': ['cow']}))
    (tmp_path / 'a.txt').write_text('x cat dog\n\ny  cow\n')
    (tmp_path / 'a.csv').write_text('x,cat,dog\ny, cow\n')
    expected = {'x': ['cat', 'dog'], 'y': ['cow']}
    for ending in ('json', 'txt', 'csv'):
        assert read_label_table(tmp_path / f'a.{ending}') == expected
    (tmp_path / 'b.csv').write_text('an image.jpg,traffic light\n')
    assert read_label_table(tmp_path / 'b.csv') == {'an image.jpg': ['traffic light']}


@pytest.mark.parametrize('content, error', [
    ('{"x": ["cat"], "x": ["dog"]}', 'twice'),
    ('{"x": ["cat"', 'not valid JSON'),
    ('[1]', 'must be'),
    ('{"x": {"cat": 1}}', '"x"'),
])
def test_bad_json(tmp_path, content, error):
    (tmp_path / 'a.json').write_text(content)
    with pytest.raises(ValueError, match=error) as info:
        read_label_table(tmp_path / 'a.json')
    assert 'a.json' in str(info.value)


def test_missing_or_unknown_table(tmp_path):
    with pytest.raises(FileNotFoundError, match='none.json'):
        read_label_table(tmp_path / 'none.json')
    with pytest.raises(ValueError, match='a.pkl'):
        read_label_table(tmp_path / 'a.pkl')
    (tmp_path / 'a.txt').write_text('x cat\nx dog\n')
    with pytest.raises(ValueError, match='"x" twice'):
        read_label_table(tmp_path / 'a.txt')


LABELS = {
    2007000032: np.array([1, 0, 0, 1], np.float32),
    'name': np.array([0, 1, 0, 0], np.int64),
    np.int64(12): np.array([0, 0, 0, 1], np.uint8),
}


def _assert_same(table):
    assert set(table) == {2007000032, 'name', 12}
    for key, value in LABELS.items():
        np.testing.assert_array_equal(table[key], value)
        assert table[key].dtype == np.float32


@pytest.mark.parametrize('protocol', [2, 3])
@pytest.mark.parametrize('module', [b'numpy.core.multiarray', b'numpy._core.multiarray'])
def test_npy_of_numpy_1_and_2(tmp_path, protocol, module):
    payload = pickle.dumps(np.array(LABELS, dtype=object), protocol=protocol)
    for name in (b'numpy._core.multiarray', b'numpy.core.multiarray'):
        payload = payload.replace(name, module)
    assert module in payload
    _assert_same(read_label_table(_write_npy(tmp_path / 'a.npy', payload)))


def test_npy_written_by_np_save(tmp_path):
    np.save(tmp_path / 'cls_labels.npy', LABELS, allow_pickle=True)
    _assert_same(read_label_table(tmp_path / 'cls_labels.npy'))


class _Touch:

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path), )


def _global(module: bytes, name: bytes, *args: bytes) -> bytes:
    return b'c' + module + b'\n' + name + b'\n(' + b''.join(args) + b'tR.'


@pytest.mark.parametrize('kind', ['value', 'top', 'getattr', 'state', 'empty', 'cut', 'float'])
def test_hostile_or_damaged_npy_runs_nothing(tmp_path, kind):
    path, canary = tmp_path / 'cls_labels.npy', tmp_path / 'canary'
    if kind == 'value':
        np.save(path, {1: _Touch(canary)}, allow_pickle=True)
    elif kind == 'top':
        _write_npy(path, pickle.dumps(_Touch(canary)))
    elif kind == 'getattr':
        _write_npy(path, _global(b'builtins', b'getattr', b'V1\n', b'Vupper\n'))
    elif kind == 'state':  # an object array whose state is not one
        _write_npy(path, pickle.dumps(np.arange(3)))
    elif kind == 'empty':
        path.write_bytes(b'')
    elif kind == 'cut':
        buffer = io.BytesIO()
        np.save(buffer, LABELS, allow_pickle=True)
        path.write_bytes(buffer.getvalue()[:-40])
    else:
        np.save(path, np.zeros(4, np.float32))
    with pytest.raises(ValueError, match='cls_labels.npy'):
        read_label_table(path)
    assert not canary.exists()
