import importlib
import io
import json
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from scipy.io import savemat

from mmwsss.datasets import COCOImageLabelDataset, VOCImageLabelDataset
from mmwsss.datasets.coco import CATEGORY_IDS
from mmwsss.datasets.label_tables import read_label_table
from mmwsss.structures.artifacts import read_mask

TOOLS = Path(__file__).parents[2] / 'tools' / 'dataset_converters'
COCO_CLASSES = COCOImageLabelDataset.METAINFO['classes']


def _tool(name):
    sys.path.insert(0, str(TOOLS))
    try:
        spec = importlib.util.spec_from_file_location(f'converter_{name}', TOOLS / f'{name}.py')
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module
    finally:
        sys.path.remove(str(TOOLS))


voc, coco, archives = _tool('voc'), _tool('coco'), _tool('archives')
masks_to_labels = _tool('masks_to_labels')


def _jpg(height=6, width=8):
    return cv2.imencode('.jpg', np.zeros((height, width, 3), np.uint8))[1].tobytes()


def _png(mask):
    file = io.BytesIO()
    Image.fromarray(mask).save(file, 'PNG')
    return file.getvalue()


def _mat(mask):
    file = io.BytesIO()
    savemat(file, {'GTcls': {'Segmentation': mask, 'Boundaries': 0}})
    return file.getvalue()


def _pack(path, files, kind):
    if kind == 'folder':
        for name, data in files.items():
            (path / name).parent.mkdir(parents=True, exist_ok=True)
            (path / name).write_bytes(data)
        return path
    if kind == 'zip':
        with zipfile.ZipFile(path, 'w', zipfile.ZIP_DEFLATED) as archive:
            for name, data in files.items():
                archive.writestr(name, data)
        return path
    with tarfile.open(path, 'w:gz' if kind == 'tgz' else 'w') as archive:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return path


# VOC: 2 train, 1 val. SBD: an image of train, one of val, two more.
MASK = np.zeros((6, 8), np.uint8)
MASK[1:4, 1:5], MASK[1] = 7, 255
COUNTS = dict(train=2, val=1, train_aug=4)


@pytest.fixture
def official():
    names = ['2007_000001', '2007_000002', '2007_000003', '2008_000004', '2008_000005']
    root = 'VOCdevkit/VOC2012'
    files = {f'{root}/JPEGImages/{n}.jpg': _jpg() for n in names}
    files.update({f'{root}/Annotations/{n}.xml': b'<annotation><object><name>dog</name></object>'
                  b'</annotation>' for n in names})
    files.update({f'{root}/SegmentationClass/{n}.png': _png(MASK) for n in names[:3]})
    files[f'{root}/ImageSets/Segmentation/train.txt'] = '\n'.join(names[:2]).encode()
    files[f'{root}/ImageSets/Segmentation/val.txt'] = names[2].encode()
    files[f'{root}/ImageSets/Main/train.txt'] = b'not wanted'
    return files


@pytest.fixture
def sbd():
    mask = np.full((6, 8), 12, np.uint8)
    mask[:, 4:] = 0
    root = 'benchmark_RELEASE/dataset'
    files = {f'{root}/cls/{n}.mat': _mat(mask)
             for n in ('2007_000001', '2007_000003', '2008_000004', '2008_000005')}
    files[f'{root}/train.txt'] = b'2007_000001\n2008_000004\n'
    files[f'{root}/val.txt'] = b'2007_000003\n2008_000005\n'
    return files


@pytest.mark.parametrize('kind', ['tar', 'tgz', 'zip', 'folder'])
def test_voc(tmp_path, official, sbd, kind):
    source = _pack(tmp_path / f'voc.{kind}', official, kind)
    extra = _pack(tmp_path / f'sbd.{kind}', sbd, kind)
    out = tmp_path / 'out'
    assert voc.convert(source, extra, out, COUNTS) == COUNTS
    listed = (out / 'ImageSets/Segmentation/train_aug.txt').read_text().split()
    assert listed == ['2007_000001', '2007_000002', '2008_000004', '2008_000005']
    # Official masks keep their void boundary; those of SBD come where there is none.
    np.testing.assert_array_equal(read_mask(out / 'SegmentationClassAug/2007_000001.png'), MASK)
    mask = read_mask(out / 'SegmentationClassAug/2008_000004.png')
    assert np.unique(mask).tolist() == [0, 12] and (mask[:, :4] == 12).all()
    assert not (out / 'ImageSets/Main').exists()
    dataset = VOCImageLabelDataset(str(out), pipeline=[
        dict(type='LoadImage'), dict(type='LoadMask'), dict(type='PackWSSSInputs')])
    assert len(dataset) == 4
    assert dataset[2]['data_samples']['image'].gt_sem_seg.unique().tolist() == [0, 12]
    # Again: nothing is written anew but the list; also from what was extracted already.
    stamps = {p: p.stat().st_mtime_ns for p in out.rglob('*.png')}
    assert voc.convert(source, extra, out, COUNTS) == COUNTS
    assert voc.convert(out, None, out, COUNTS) == COUNTS
    assert stamps == {p: p.stat().st_mtime_ns for p in out.rglob('*.png')}


def test_voc_void_width():
    mask = np.zeros((8, 8), np.uint8)
    mask[:, 4:] = 3
    assert voc.sbd_mask(_mat(mask), 'x')[0].tolist() == [0] * 4 + [3] * 4
    assert voc.sbd_mask(_mat(mask), 'x', 1)[0].tolist() == [0] * 3 + [255] * 2 + [3] * 3


def test_voc_errors_leave_no_list(tmp_path, official, sbd):
    out = tmp_path / 'out'
    source = _pack(tmp_path / 'voc.tar', official, 'tar')
    extra = _pack(tmp_path / 'sbd.tgz', sbd, 'tgz')

    def fails(error, word, *args):
        with pytest.raises(error, match=word):
            voc.convert(*args)
        assert not (out / 'ImageSets/Segmentation/train_aug.txt').exists()
        assert not list(out.rglob('.*'))

    fails(FileNotFoundError, 'none.tar', tmp_path / 'none.tar', extra, out)
    fails(ValueError, 'VOC2012', extra, extra, out)
    fails(ValueError, '1464', source, extra, out)  # the true counts
    fails(ValueError, 'train.txt', source, source, out, COUNTS)
    data = (tmp_path / 'sbd.tgz').read_bytes()
    (tmp_path / 'cut.tgz').write_bytes(data[:len(data) // 2])
    fails(ValueError, 'cut.tgz.*damaged', source, tmp_path / 'cut.tgz', tmp_path / 'out2', COUNTS)
    (tmp_path / 'bad.tar').write_bytes(b'nothing')
    fails(ValueError, 'bad.tar', tmp_path / 'bad.tar', extra, out, COUNTS)
    bad = {**sbd, 'benchmark_RELEASE/dataset/cls/2008_000004.mat': b'nothing'}
    bad = _pack(tmp_path / 'bad.tgz', bad, 'tgz')
    fails(ValueError, '2008_000004.mat', source, bad, tmp_path / 'out3', COUNTS)


def test_an_archive_cannot_write_outside(tmp_path, official):
    official['VOCdevkit/../../VOC2012/JPEGImages/../../evil.jpg'] = b'x'
    official['../VOC2012/JPEGImages/evil.jpg'] = b'x'
    path = _pack(tmp_path / 'a' / 'voc', {}, 'folder')
    path.parent.mkdir(parents=True)
    source = _pack(path.with_suffix('.tar'), official, 'tar')
    with tarfile.open(source, 'a') as archive:
        link = tarfile.TarInfo('VOCdevkit/VOC2012/JPEGImages/link.jpg')
        link.type, link.linkname = tarfile.SYMTYPE, '/etc/passwd'
        archive.addfile(link)
    out = tmp_path / 'a' / 'out'
    archives.copy_files(source, lambda name: voc._wanted(voc._VOC, name), out)
    found = [p.relative_to(tmp_path).as_posix() for p in tmp_path.rglob('*evil*')]
    assert found == ['a/out/JPEGImages/evil.jpg']
    assert not list(tmp_path.rglob('link.jpg'))


# -- COCO ------------------------------------------------------------------------------------------


def _encode(counts):
    """The other direction of decode_counts, by the format's description."""
    text = ''
    for i, value in enumerate(counts):
        number = value - (counts[i - 2] if i > 2 else 0)
        while True:
            group = number & 31
            number >>= 5
            done = (number == -1) if group & 16 else (number == 0)
            text += chr((group if done else group | 32) + 48)
            if done:
                break
    return text


@settings(max_examples=100, deadline=None)
@given(st.lists(st.integers(0, 100000), min_size=1, max_size=30))
def test_run_lengths_round_trip(counts):
    assert coco.decode_counts(_encode(counts)) == counts
    assert coco.decode_counts(_encode(counts).encode()) == counts


@settings(max_examples=50, deadline=None)
@given(st.integers(1, 12), st.integers(1, 12), st.integers(0, 2**31), st.booleans())
def test_rle_mask(height, width, seed, compressed):
    mask = np.random.default_rng(seed).random((height, width)) < 0.5
    counts, last, run = [], False, 0
    for x in range(width):
        for y in range(height):
            if mask[y, x] != last:
                counts.append(run)
                last, run = not last, 0
            run += 1
    counts.append(run)
    rle = dict(size=[height, width], counts=_encode(counts) if compressed else counts)
    np.testing.assert_array_equal(coco.rle_mask(rle), mask)


def test_known_run_lengths():
    # U is 37 = 5 + (go on), l is 60 = 28 + (go on), 0 ends: 5 + 28 * 32; O is 31, that is -1.
    assert coco.decode_counts('54') == [5, 4]
    assert coco.decode_counts('Ul0') == [901]
    assert coco.decode_counts('123O') == [1, 2, 3, 1]
    with pytest.raises(ValueError, match='middle'):
        coco.decode_counts('U')
    with pytest.raises(ValueError, match='fill'):
        coco.rle_mask(dict(size=[2, 2], counts=[1, 2]))


def test_polygon_mask():
    pytest.importorskip('pycocotools')
    mask = coco.polygon_mask([[2, 1, 6, 1, 6, 4, 2, 4]], 6, 8)
    inner = np.zeros((6, 8), bool)
    inner[1:4, 2:6] = True
    np.testing.assert_array_equal(mask, inner)
    # Beyond the image, and a sliver that has no middle of a pixel.
    assert coco.polygon_mask([[-3, -3, 9, -3, 9, 9, -3, 9]], 6, 8).all()
    assert not coco.polygon_mask([[2, 1.7, 6, 1.7, 6, 2.3, 2, 2.3]], 6, 8).any()
    both = coco.polygon_mask([[0, 0, 2, 0, 2, 2, 0, 2], [5, 4, 7, 4, 7, 6, 5, 6]], 6, 8)
    assert both[1, 1] and both[5, 6] and not both[3, 3]
    circle = np.stack([50 + 30 * np.cos(np.arange(90) / 90 * 2 * np.pi),
                       50 + 30 * np.sin(np.arange(90) / 90 * 2 * np.pi)], 1)
    area = coco.polygon_mask([circle.ravel().tolist()], 100, 100).sum()
    assert abs(area - np.pi * 900) < 0.02 * np.pi * 900
    with pytest.raises(ValueError, match='three'):
        coco.polygon_mask([[1, 2, 3, 4]], 6, 8)


def test_smaller_things_are_in_front():
    pytest.importorskip('pycocotools')
    big, small = [[0, 0, 8, 0, 8, 6, 0, 6]], [[2, 2, 4, 2, 4, 4, 2, 4]]
    for items in ([(4, 48., big), (0, 4., small)], [(0, 4., small), (4, 48., big)]):
        mask = coco.draw_mask(6, 8, items)
        assert mask[3, 3] == 1 and mask[0, 7] == 5


@pytest.fixture
def coco_files():
    pytest.importorskip('pycocotools')
    images, files = [], {}
    for i in (9, 25, 30):
        name = f'COCO_train2014_{i:012d}.jpg'
        images.append(dict(id=i, file_name=name, height=6, width=8))
        files[f'train2014/{name}'] = _jpg()
    categories = [dict(id=c, name=n) for c, n in zip(CATEGORY_IDS, COCO_CLASSES)]
    square = [[1, 1, 5, 1, 5, 5, 1, 5]]
    annotations = [
        dict(image_id=9, category_id=90, area=16., segmentation=square),
        dict(image_id=25, category_id=1, area=48., iscrowd=1,
             segmentation=dict(size=[6, 8], counts=[0, 48])),
        dict(image_id=25, category_id=13, area=16., segmentation=square),
    ]
    data = dict(images=images, categories=categories, annotations=annotations)
    return data, files


def test_coco(tmp_path, coco_files):
    data, files = coco_files
    source = _pack(tmp_path / 'a.zip', {
        'annotations/instances_train2014.json': json.dumps(data).encode(),
        'annotations/captions_train2014.json': b'{}'}, 'zip')
    images = _pack(tmp_path / 'train2014.zip', files, 'zip')
    out, counts = tmp_path / 'out', dict(train=(3, 2))
    assert coco.convert(source, [images], out, ['train'], counts) == counts
    first = read_mask(out / 'SegmentationClass/train2014/COCO_train2014_000000000009.png')
    assert np.unique(first).tolist() == [0, 80]
    dataset = COCOImageLabelDataset(str(out), label_file='labels_train2014.json', pipeline=[
        dict(type='LoadImage'), dict(type='LoadMask'), dict(type='PackWSSSInputs')])
    assert len(dataset) == 2 and dataset.get_cat_ids(1) == [0, 11]
    sample = dataset[1]['data_samples']['image']
    assert sample.gt_sem_seg.unique().tolist() == [1, 12]
    assert len(COCOImageLabelDataset(str(out))) == 2  # from the instances
    stamps = {p: p.stat().st_mtime_ns for p in out.rglob('*.png')}
    assert coco.convert(source, [images], out, ['train'], counts) == counts
    assert stamps == {p: p.stat().st_mtime_ns for p in out.rglob('*.png')}


def test_coco_errors_leave_no_table(tmp_path, coco_files):
    data, files = coco_files
    counts = dict(train=(3, 2))

    def fails(error, word, data=data, files=files, counts=counts):
        folder = Path(tempfile.mkdtemp(dir=tmp_path))
        source = _pack(folder / 'a.zip', {
            'annotations/instances_train2014.json': json.dumps(data).encode()}, 'zip')
        images = _pack(folder / 'i.zip', files, 'zip')
        with pytest.raises(error, match=word):
            coco.convert(source, [images], folder / 'out', ['train'], counts)
        assert not list(folder.rglob('labels_*')) and not list(folder.rglob('.*'))

    fails(ValueError, '82783', counts=None)
    fails(FileNotFoundError, 'missing', files=dict(list(files.items())[:2]))
    fails(ValueError, 'no images', files={'x.txt': b''})
    fails(ValueError, 'instances_train2014.json', data={})
    wrong = json.loads(json.dumps(data))
    wrong['annotations'][1]['segmentation']['counts'] = [0, 47]
    fails(ValueError, 'COCO_train2014_000000000025.*fill', data=wrong)


def test_shapes_script(tmp_path):
    tool = _tool('shapes')
    tool.run(tool.parse_args([str(tmp_path / 'shapes'), '--train', '2', '--val', '1',
                              '--image-size', '32']))
    assert len(list((tmp_path / 'shapes/JPEGImages').glob('*.jpg'))) == 3


@pytest.mark.slow
@pytest.mark.parametrize('name', ['voc', 'coco', 'shapes'])
def test_scripts_run_on_their_own(name):
    done = subprocess.run([sys.executable, str(TOOLS / f'{name}.py'), '--help'],
                          capture_output=True, text=True, cwd=TOOLS.parents[1],
                          env={'PYTHONPATH': str(TOOLS.parents[1])})
    assert done.returncode == 0 and 'usage' in done.stdout, done.stderr


def test_labels_of_masks_are_those_of_eaders_code(tmp_path):
    rng = np.random.default_rng(0)
    expected = {}
    for i in range(4):
        mask = rng.choice([0, 3, 20, 255], (5, 6)).astype(np.uint8)
        if i == 3:
            mask[:] = 255
        expected[f'2007_{i:06}'] = [c - 1 for c in range(1, 21) if (mask == c).any()]
        Image.fromarray(mask).save(tmp_path / f'2007_{i:06}.png')
    assert masks_to_labels.labels_of_masks(tmp_path) == expected
    assert masks_to_labels.labels_of_masks(tmp_path, ['2007_000002']) == {
        '2007_000002': expected['2007_000002']}
    with pytest.raises(FileNotFoundError, match='2007_000009'):
        masks_to_labels.labels_of_masks(tmp_path, ['2007_000009'])
    with pytest.raises(FileNotFoundError, match='no mask'):
        masks_to_labels.labels_of_masks(tmp_path / 'none')
    (tmp_path / 'list.txt').write_text('2007_000000\n2007_000001\n')
    command = [sys.executable, str(TOOLS / 'masks_to_labels.py'), str(tmp_path),
               str(tmp_path / 'labels.json'), '--list', str(tmp_path / 'list.txt')]
    subprocess.run(command, check=True)
    command[3] = str(tmp_path / 'labels.csv')
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 2 and 'labels.csv" must end in .json' in done.stderr
    table = read_label_table(tmp_path / 'labels.json')
    assert table == {name: expected[name] for name in ('2007_000000', '2007_000001')}


def test_labels_of_masks_in_subfolders_and_with_blanks(tmp_path):
    (tmp_path / 'masks/sub').mkdir(parents=True)
    for i, name in enumerate(('a', 'a b', 'sub/c'), 1):
        Image.fromarray(np.full((2, 2), i, np.uint8)).save(tmp_path / f'masks/{name}.png')
    assert masks_to_labels.labels_of_masks(tmp_path / 'masks') == {
        'a': [0], 'a b': [1], 'sub/c': [2]}
    (tmp_path / 'list.txt').write_text('a b\nsub/c -1\n')
    subprocess.run([sys.executable, str(TOOLS / 'masks_to_labels.py'), str(tmp_path / 'masks'),
                    str(tmp_path / 'labels.json'), '--list', str(tmp_path / 'list.txt')],
                   check=True)
    assert read_label_table(tmp_path / 'labels.json') == {'a b': [1], 'sub/c': [2]}
