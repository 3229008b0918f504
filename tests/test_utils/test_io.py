"""Files are whole or absent."""

import os

import pytest

from mmwsss.utils.io import atomic_write, read_text, sweep_temporaries


def test_a_failed_write_leaves_the_file_as_it_was(tmp_path):
    path = tmp_path / 'a.txt'
    path.write_text('old')
    with pytest.raises(KeyboardInterrupt), atomic_write(path) as file:
        file.write('new')
        raise KeyboardInterrupt
    assert path.read_text() == 'old' and os.listdir(tmp_path) == ['a.txt']
    with atomic_write(path) as file:
        file.write('new')
    assert path.read_text() == 'new' and os.listdir(tmp_path) == ['a.txt']


def test_sweep(tmp_path):
    begun = atomic_write(tmp_path / 'iter_1.pth', 'wb')
    begun.__enter__()  # and killed
    left, = os.listdir(tmp_path)
    others = ['.config', '.iter_2.pth', '.other.txt.abcd1234', 'iter_2.pth']
    for name in others:
        (tmp_path / name).touch()
    sweep_temporaries(tmp_path, '*.pth')
    assert left.startswith('.iter_1.pth.') and sorted(os.listdir(tmp_path)) == others


def test_text(tmp_path):
    (tmp_path / 'a.txt').write_bytes(b'\xef\xbb\xbfcat')
    assert read_text(tmp_path / 'a.txt') == 'cat'
    (tmp_path / 'a.txt').write_bytes(b'\xff\xfe')
    with pytest.raises(ValueError, match='a.txt'):
        read_text(tmp_path / 'a.txt')
