"""Whatever lies in a file, a reader reads it or says in one ValueError which file is wrong.

MMWSSS_FUZZ=5000 tries that many new files of each kind, in place of the same few each time.
"""

import io
import json
import os
import warnings

import cv2
import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from mmengine.config import Config
from PIL import Image

from mmwsss.datasets import ImageLabelDataset, read_label_table
from mmwsss.datasets.transforms import LoadImage, LoadMask
from mmwsss.inference import read_config
from mmwsss.inference.manifests import known_records
from mmwsss.structures.artifacts import (
    load_cam,
    read_manifest,
    read_mask,
    read_record,
)
from mmwsss.utils import load_checkpoint_safely
from mmwsss.utils.checkpoint import latest_checkpoint
from mmwsss.utils.errors import explain
from mmwsss.utils.images import image_size

EXAMPLES = int(os.environ.get('MMWSSS_FUZZ', 0))
fuzz = settings(max_examples=EXAMPLES or 40, deadline=None, derandomize=not EXAMPLES,
                suppress_health_check=[HealthCheck.function_scoped_fixture])

CELLS = st.sampled_from(['p0', 'p1', 'image', 'class', 'cat', 'dog', '0', '1', '2', '', '-1', '.5',
                         '"', '\n', '\0', 'ä', '\ufeff', '9' * 5000, '"a\n', '../a'])
TEXT = st.one_of(
    st.text(max_size=60),
    st.lists(st.tuples(CELLS, st.sampled_from([',', ';', '\t', ' ', '\n'])), max_size=30).map(
        lambda pairs: ''.join(cell + mark for cell, mark in pairs)))
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-2, 3) | st.floats() | st.sampled_from(['cat', 'x']),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(
        st.sampled_from(['p0', 'p1', 'images', 'annotations', 'categories', 'id', 'file_name',
                         'image_id', 'category_id', 'name']), inner, max_size=6), max_leaves=20)


def mutations(whole: bytes):
    """A file with some of its bytes changed, cut out or put in."""
    def apply(edits):
        data = bytearray(whole)
        for place, kind, value in edits:
            place %= max(len(data), 1)
            if kind == 'set' and data:
                data[place] = value
            elif kind == 'cut':
                del data[place:]
            elif kind == 'put':
                data[place:place] = bytes([value]) * 3
        return bytes(data)

    return st.lists(
        st.tuples(st.integers(0, 1 << 20), st.sampled_from(['set', 'set', 'put', 'cut']),
                  st.integers(0, 255)), min_size=1, max_size=4).map(apply)


def read_or_refuse(read, path):
    """What was read, or None after a ValueError that names the file in one line."""
    try:
        return read(path)
    except ValueError as error:
        assert path.name in str(error), error
        return None


def is_table(table):
    for name, classes in table.items():
        assert isinstance(name, (str, int))
        if not isinstance(classes, np.ndarray):
            assert isinstance(classes, list) and all(isinstance(c, (str, int)) for c in classes)


@fuzz
@given(text=TEXT, ending=st.sampled_from(['csv', 'txt', 'json']))
def test_text_tables(tmp_path, text, ending):
    path = tmp_path / f'table.{ending}'
    path.write_bytes(text.encode('utf-8', 'surrogatepass'))
    is_table(read_or_refuse(read_label_table, path) or {})


@fuzz
@given(value=JSON)
def test_json_tables(tmp_path, value):
    path = tmp_path / 'table.json'
    path.write_text(json.dumps(value))
    is_table(read_or_refuse(read_label_table, path) or {})


@fuzz
@given(data=st.binary(max_size=60), name=st.sampled_from(['a.xml', 'a.txt', 'data.yaml']))
def test_folders_of_annotations(tmp_path, data, name):
    (tmp_path / 'a.txt').write_text('0 .5 .5 .5 .5')
    (tmp_path / 'a.xml').unlink(missing_ok=True)
    (tmp_path / name).write_bytes(data)
    try:
        is_table(read_label_table(tmp_path))
    except ValueError as error:
        assert str(tmp_path) in str(error)


@fuzz
@given(text=TEXT)
def test_lists(tmp_path, text):
    (tmp_path / 'list.txt').write_bytes(text.encode('utf-8', 'surrogatepass'))
    (tmp_path / 'table.json').write_text('{"p0": ["cat"], "p1": ["dog"]}')
    for name in ('p0.jpg', 'p1.jpg'):
        (tmp_path / name).touch()
    try:
        dataset = ImageLabelDataset(
            str(tmp_path), ann_file='list.txt', label_file='table.json', drop_empty=True)
    except (ValueError, FileNotFoundError) as error:
        files = ('list.txt', 'table.json', 'p0.jpg', 'p1.jpg')
        assert any(name in str(error) for name in files), error
        return
    assert {dataset.get_data_info(i)['name'] for i in range(len(dataset))} <= {'p0', 'p1'}


def npy():
    buffer = io.BytesIO()
    np.save(buffer, {1: np.array([0, 1], np.float32), 'b': np.array([1, 1])}, allow_pickle=True)
    return buffer.getvalue()


@fuzz
@given(data=mutations(npy()))
def test_npy_tables(tmp_path, data):
    path = tmp_path / 'cls_labels.npy'
    path.write_bytes(data)
    is_table(read_or_refuse(read_label_table, path) or {})


def encoded(ending, grey=False):
    rng = np.random.default_rng(0)
    shape = (12, 16) if grey else (12, 16, 3)
    return cv2.imencode(ending, rng.integers(0, 4 if grey else 256, shape, np.uint8))[1].tobytes()


@pytest.mark.parametrize('ending', ['.jpg', '.png', '.bmp', '.webp'])
@fuzz
@given(data=st.data())
def test_images(tmp_path, ending, data):
    path = tmp_path / f'image{ending}'
    path.write_bytes(data.draw(mutations(encoded(ending))))
    results = read_or_refuse(lambda p: LoadImage()(dict(img_path=str(p))), path)
    assert results is None or (results['img'].dtype == np.uint8 and results['img'].ndim == 3)
    size = read_or_refuse(image_size, path)
    assert size is None or len(size) == 2


@fuzz
@given(data=mutations(encoded('.png', grey=True)))
def test_masks(tmp_path, data):
    path = tmp_path / 'mask.png'
    path.write_bytes(data)
    for read in (read_mask, LoadMask('saliency').read):
        mask = read_or_refuse(read, path)
        assert mask is None or (mask.dtype == np.uint8 and mask.ndim == 2)


def checkpoint(legacy):
    buffer = io.BytesIO()
    torch.save(dict(state_dict=dict(a=torch.arange(4.)), meta=dict(config='x', epoch=1)), buffer,
               _use_new_zipfile_serialization=not legacy)
    return buffer.getvalue()


@pytest.mark.parametrize('legacy', [False, True])
@fuzz
@given(data=st.data())
def test_checkpoints(tmp_path, legacy, data):
    path = tmp_path / 'a.pth'
    path.write_bytes(data.draw(mutations(checkpoint(legacy))))
    read_or_refuse(load_checkpoint_safely, path)


@fuzz
@given(data=st.binary(max_size=40) | st.sampled_from(['a.pth', '/gone/a.pth', '../b.pth']).map(
    str.encode))
def test_last_checkpoint(tmp_path, data):
    (tmp_path / 'a.pth').touch()
    (tmp_path / 'last_checkpoint').write_bytes(data)
    try:
        assert latest_checkpoint(tmp_path) == str(tmp_path / 'a.pth')
    except (ValueError, FileNotFoundError) as error:
        assert str(tmp_path / 'last_checkpoint') in str(error)


def cam_file():
    buffer = io.BytesIO()
    np.savez(buffer, cam=np.full((2, 3, 4), .5, np.float16), keys=np.array([0, 2]),
             size=np.array([6, 8]))
    return buffer.getvalue()


def read_cam(path):
    cam, keys, size, background = load_cam(path, 3)
    assert background is None or background.shape == cam.shape[1:]
    assert cam.ndim == 3 and len(cam) == len(keys) and len(size) == 2 and min(size) > 0
    assert not cam.size or 0 <= cam.min() <= cam.max() < 1.01
    assert not len(keys) or 0 <= keys.min() <= keys.max() < 3
    return cam


@fuzz
@given(data=mutations(cam_file()))
def test_cam_files(tmp_path, data):
    path = tmp_path / 'a.npz'
    path.write_bytes(data)
    read_or_refuse(read_cam, path)


ARRAYS = st.tuples(
    st.sampled_from([np.float16, np.float64, np.int64, np.uint8, np.complex64, bool, 'U3']),
    st.lists(st.integers(0, 3), max_size=4)).flatmap(lambda kind: st.sampled_from(
        [0, 1, 2, -1, .5, 100, np.nan, np.inf]).map(lambda x: full(kind[1], x, kind[0])))


def full(shape, value, kind):
    with np.errstate(all='ignore'), warnings.catch_warnings():
        warnings.simplefilter('ignore')
        return np.full(shape, np.float64(value)).astype(kind)


@fuzz
@given(arrays=st.dictionaries(st.sampled_from(['cam', 'keys', 'size', 'bg', 'x']), ARRAYS))
def test_arrays_of_cam_files(tmp_path, arrays):
    path = tmp_path / 'a.npz'
    base = dict(cam=np.full((2, 3, 4), .5, np.float16), keys=np.array([0, 2]),
                size=np.array([6, 8]))
    np.savez(path, **{**base, **arrays})
    read_or_refuse(read_cam, path)


@fuzz
@given(lines=st.lists(JSON.map(json.dumps) | TEXT, max_size=4))
def test_manifests(tmp_path, lines):
    path = tmp_path / 'manifest.jsonl'
    path.write_bytes('\n'.join(lines).encode('utf-8', 'surrogatepass'))
    records = read_or_refuse(lambda p: read_manifest(p.parent), path)
    assert records is None or all(isinstance(record['name'], str) for record in records)
    made = read_or_refuse(lambda p: known_records(p.parent, '.png'), path)
    assert made is None or isinstance(made, dict)


@fuzz
@given(data=st.binary(max_size=40) | JSON.map(lambda value: json.dumps(value).encode()))
def test_records(tmp_path, data):
    path = tmp_path / 'done.json'
    path.write_bytes(data)
    read_or_refuse(read_record, path)


@fuzz
@given(value=JSON, key=st.sampled_from([
    'pipeline', 'pipeline.cam', 'pipeline.cam.scales', 'pipeline.cam.stride', 'pipeline.mask',
    'pipeline.segment', 'pipeline.metrics', 'model', 'model.test_cfg', 'model.modules',
    'train_cfg', 'train_dataloader']))
def test_configs(value, key):
    """A config of wrong values is read, or refused in one line."""
    cfg = Config(dict(
        model=dict(type='WSSSClassifier', modules=[]), train_cfg=dict(type='WSSSTrainLoop'),
        pipeline=dict(cam=dict(scales=(1., )), mask=dict(type='ThresholdMask', bg=.3))))
    *path, last = key.split('.')
    part = cfg
    for step in path:
        part = part[step]
    part[last] = value
    try:
        read_config(cfg)
    except Exception as error:
        text = explain(error)
        assert text and '\n' not in text, repr(error)


def test_bombs(tmp_path):
    """Small files of a huge image."""
    path = tmp_path / 'bomb.png'
    Image.new('1', (20000, 20000)).save(path)
    assert path.stat().st_size < 100000
    for read in (read_mask, LoadMask('saliency').read, lambda p: LoadImage()(dict(img_path=p))):
        with pytest.raises(ValueError, match='bomb.png'):
            read(str(path))
