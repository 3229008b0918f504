import hashlib
import json

import numpy as np
import pytest
from PIL import Image

from mmwsss.structures.artifacts import (
    cam_record,
    jsonable,
    load_cam,
    read_classes,
    read_manifest,
    read_mask,
    read_record,
    save_cam,
    write_class_names,
    write_manifest,
    write_mask,
    write_record,
)
from mmwsss.utils.palette import voc_palette


def good(**changes):
    return {**dict(cam=np.full((2, 3, 4), 0.5, np.float16), keys=np.array([1, 4]),
                   size=np.array([6, 8])), **changes}


def test_cam_there_and_back(tmp_path):
    cam = np.random.default_rng(0).random((2, 3, 4))
    save_cam(tmp_path / 'sub' / 'a b.npz', cam, [1, 4], (6, 8))
    read, keys, size, background = load_cam(tmp_path / 'sub' / 'a b.npz', num_classes=5)
    assert read.dtype == np.float16 and np.array_equal(read, cam.astype(np.float16))
    assert keys.tolist() == [1, 4] and size == (6, 8)
    assert background is None


def test_the_own_background_of_a_network(tmp_path):
    background = np.random.default_rng(0).random((3, 4))
    save_cam(tmp_path / 'a.npz', np.zeros((0, 3, 4)), [], (6, 8), background)
    assert np.array_equal(load_cam(tmp_path / 'a.npz').background, background.astype(np.float16))
    assert load_cam(tmp_path / 'a.npz')[0].shape == (0, 3, 4)


@pytest.mark.parametrize('changes, message', [
    (dict(cam=np.full((2, 3, 4), np.nan)), 'values between nan'),
    (dict(cam=np.full((2, 3, 4), np.inf)), 'values between inf'),
    (dict(cam=np.full((2, 3, 4), 100.)), 'values between 100'),
    (dict(cam=np.full((2, 3, 4), -0.1)), 'values between -0.1'),
    (dict(keys=np.array([1, 2, 3])), 'one key for each map'),
    (dict(keys=np.array([1, 1])), 'different class indices'),
    (dict(keys=np.array([1, 300])), r'not in 0\.\.19'),
    (dict(keys=np.array([-1, 3])), 'not in'),
    (dict(cam=np.zeros((3, 4))), 'shape'),
    (dict(size=np.array([6])), 'height and width'),
    (dict(bg=np.zeros((2, 2))), 'background of shape'),
    (dict(bg=np.full((3, 4), 2.)), 'background values'),
])
def test_bad_cam_files(tmp_path, changes, message):
    np.savez(tmp_path / 'a.npz', **good(**changes))
    with pytest.raises(ValueError, match=rf'a\.npz.*{message}'):
        load_cam(tmp_path / 'a.npz', num_classes=20)


def test_files_that_are_no_cam_files(tmp_path):
    with pytest.raises(FileNotFoundError, match='none.npz'):
        load_cam(tmp_path / 'none.npz')
    np.savez(tmp_path / 'a.npz', **good())
    whole = (tmp_path / 'a.npz').read_bytes()
    np.savez(tmp_path / 'keys.npz', cam=good()['cam'])
    np.save(tmp_path / 'array.npy', good()['cam'])
    for name, data in (('a.npz', whole[:80]), ('empty.npz', b''), ('text.npz', b'hello'),
                       ('array.npz', (tmp_path / 'array.npy').read_bytes()),
                       ('keys.npz', (tmp_path / 'keys.npz').read_bytes())):
        (tmp_path / name).write_bytes(data)
        with pytest.raises(ValueError, match=f'{name} is not a CAM file'):
            load_cam(tmp_path / name)


def test_mask_there_and_back(tmp_path):
    mask = np.array([[0, 1], [2, 255]])
    write_mask(tmp_path / 'a.png', mask, [[9, 9, 9]], ('background', 'cat', 'dög'))
    assert np.array_equal(read_mask(tmp_path / 'a.png'), mask)
    assert read_classes(tmp_path / 'a.png') == ('background', 'cat', 'dög')
    with Image.open(tmp_path / 'a.png') as image:
        assert image.getpalette()[:6] == [9, 9, 9, *voc_palette(2)[1]]
    write_mask(tmp_path / 'b.png', mask)
    assert read_classes(tmp_path / 'b.png') == ()


def test_what_the_ids_mean_beside_the_masks(tmp_path):
    write_class_names(tmp_path / 'masks', ['background', 'dög'], [[0, 0, 0], [7, 8, 9]])
    assert (tmp_path / 'masks' / 'classes.txt').read_text('utf-8') == 'background\ndög\n'
    assert read_record(tmp_path / 'masks' / 'classes.json') == [
        dict(id=0, name='background', color=[0, 0, 0]), dict(id=1, name='dög', color=[7, 8, 9]),
        dict(id=255, name='ignored', color=voc_palette()[255])]


@pytest.mark.parametrize('mask', [np.array([[256]]), np.array([[-1]]), np.zeros(3, int)])
def test_ids_that_do_not_fit_are_refused(tmp_path, mask):
    with pytest.raises(ValueError, match='a.png.*0 to 255'):
        write_mask(tmp_path / 'a.png', mask)
    assert not list(tmp_path.iterdir())


def test_records(tmp_path):
    value = dict(a=[np.float32(0.5), float('nan'), -np.inf], b=np.arange(2), c=(True, None, 'x'))
    plain = dict(a=[0.5, None, None], b=[0, 1], c=[True, None, 'x'])
    assert jsonable({**value, 3: 1}) == {**plain, '3': 1}
    write_record(tmp_path / 'sub' / 'r.json', dict(value, path=tmp_path))
    assert read_record(tmp_path / 'sub' / 'r.json') == dict(plain, path=str(tmp_path))
    assert read_record(tmp_path / 'none.json', {}) == {}
    with pytest.raises(FileNotFoundError, match='none.json'):
        read_record(tmp_path / 'none.json')
    (tmp_path / 'bad.json').write_text('{"a": 1')
    with pytest.raises(ValueError, match='bad.json" is damaged'):
        read_record(tmp_path / 'bad.json', {})


def test_manifest(tmp_path):
    save_cam(tmp_path / 'x' / 'a.npz', np.zeros((1, 2, 2)), [3], (4, 5))
    records = write_manifest(tmp_path, [cam_record(tmp_path, 'x/a')])
    data = (tmp_path / 'x' / 'a.npz').read_bytes()
    assert records == read_manifest(tmp_path) == [
        dict(name='x/a', classes=[3], size=[4, 5], sha256=hashlib.sha256(data).hexdigest())]
    assert json.loads((tmp_path / 'manifest.jsonl').read_text()) == records[0]
    with pytest.raises(FileNotFoundError, match='b.npz'):
        cam_record(tmp_path, 'b')
    (tmp_path / 'manifest.jsonl').write_text('{')
    with pytest.raises(ValueError, match='damaged'):
        read_manifest(tmp_path)
