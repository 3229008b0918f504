import sys

import cv2
import numpy as np
import pytest

from mmwsss.apis import exports
from mmwsss.apis.segmentation import segment_folder

CLASSES = ('cat', 'dog')


@pytest.fixture
def mask():
    """Two cats, one with a hole in which a dog sits, and ignored pixels."""
    mask = np.zeros((30, 40), np.uint8)
    mask[2:20, 3:25] = 1
    mask[8:14, 10:18] = 0
    mask[10:12, 12:15] = 2
    mask[24:29, 30:39] = 1
    mask[0] = 255
    return mask


def decode(segmentation):
    """COCO's text back to a region, by its rule read the other way."""
    counts, digits = [], []
    for char in segmentation['counts']:
        digits.append(ord(char) - 48)
        if not digits[-1] & 32:
            value = sum((digit & 31) << 5 * i for i, digit in enumerate(digits))
            if digits[-1] & 16:
                value -= 1 << 5 * len(digits)
            counts.append(value + (counts[-2] if len(counts) > 2 else 0))
            digits = []
    height, width = segmentation['size']
    flat = np.concatenate([np.full(count, i % 2) for i, count in enumerate(counts)])
    return flat.reshape(width, height).T.astype(bool)


def test_areas(mask):
    areas = exports.class_areas(mask, CLASSES)
    assert areas == dict(background=int((mask == 0).sum()), cat=18 * 22 - 48 + 45, dog=6)


def test_coco_round_trip(mask):
    pytest.importorskip('pycocotools')
    data = exports.coco_dataset([('a.jpg', mask), ('b.jpg', 1 - (mask == 2))], CLASSES)
    assert [image['file_name'] for image in data['images']] == ['a.jpg', 'b.jpg']
    assert [(a['id'], a['image_id'], a['category_id']) for a in data['annotations']] == [
        (1, 1, 1), (2, 1, 2), (3, 2, 1)]
    cat, dog, rest = data['annotations']
    assert (decode(cat['segmentation']) == (mask == 1)).all()
    assert (decode(rest['segmentation']) == (mask != 2)).all()  # begins inside the region
    assert dog['bbox'] == [12, 10, 3, 2] and dog['area'] == 6


def test_rle_of_random_regions():
    pytest.importorskip('pycocotools')
    rng = np.random.default_rng(0)
    for _ in range(30):
        region = cv2.resize(rng.random(rng.integers(2, 9, 2)), (37, 53)) > rng.random()
        assert (decode(exports.coco_rle(region)) == region).all()


def test_known_text():
    pytest.importorskip('pycocotools')
    # Runs 0, 5, 40, 7: 0; 5; 40 = 8 + 1 * 32; then 7 - 5 = 2.
    region = np.repeat([True, False, True], [5, 40, 7])[:, None]
    assert exports.coco_rle(region) == dict(size=[52, 1], counts='05X12')


def test_coco_without_its_package(monkeypatch, mask, tmp_path):
    monkeypatch.setitem(sys.modules, 'pycocotools', None)
    with pytest.raises(ImportError, match='pip install pycocotools'):
        exports.coco_annotations(mask, CLASSES)
    with pytest.raises(ImportError, match='pip install pycocotools'):  # before any work
        segment_folder(None, {}, tmp_path, ['coco'])
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(('tolerance', 'off'), [(0, 0), (1, 12)])
def test_polygons_fill_the_region(mask, tolerance, off):
    drawn = np.zeros_like(mask)
    for line in exports.polygons(mask == 1, tolerance=tolerance):
        cv2.fillPoly(drawn, [line.astype(np.int32)], 1)
    assert (drawn != (mask == 1)).sum() <= off


def test_small_parts_are_left_out(mask):
    assert len(exports.polygons(mask == 1)) == 2
    assert len(exports.polygons(mask == 1, min_area=46)) == 1


def test_yolo(mask):
    lines = [line.split() for line in exports.yolo_lines(mask, CLASSES)]
    assert [line[0] for line in lines] == ['0', '0', '1']
    dog = np.array(lines[2][1:], float).reshape(-1, 2) * [40, 30] - 0.5
    np.testing.assert_allclose([dog.min(0), dog.max(0)], [[12, 10], [14, 11]], atol=1e-3)
    assert all(0 <= float(value) <= 1 for line in lines for value in line[1:])


def test_labelme(mask):
    record = exports.labelme_record(mask, CLASSES, '../a.jpg')
    assert [shape['label'] for shape in record['shapes']] == ['cat', 'cat', 'dog']
    assert (record['imageHeight'], record['imageWidth']) == (30, 40)
    assert record['imagePath'] == '../a.jpg' and record['imageData'] is None


def test_cvat():
    text = exports.cvat_label_map(CLASSES, [(0, 0, 0), (128, 0, 0), np.array([0, 9, 1])])
    assert text.splitlines()[1:] == ['background:0,0,0::', 'cat:128,0,0::', 'dog:0,9,1::']
    assert 'a_b:1,2,3::' in exports.cvat_label_map(['a:b'], [(0, 0, 0), (1, 2, 3)])


def test_empty_mask():
    empty = np.full((4, 5), 255, np.uint8)
    assert exports.coco_annotations(empty, CLASSES) == exports.yolo_lines(empty, CLASSES) == []
    assert exports.labelme_record(empty, CLASSES, 'a')['shapes'] == []
