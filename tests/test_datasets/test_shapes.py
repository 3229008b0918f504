import json

import cv2
import numpy as np
import pytest

from mmwsss.datasets import ShapesDataset, draw_shapes
from mmwsss.datasets.shapes import BODY, CLASSES, PARTNER
from mmwsss.registry import DATASETS


def test_drawing_is_a_function_of_its_arguments():
    image, mask = draw_shapes(0, 'train', 3, 64)
    again = draw_shapes(0, 'train', 3, 64)
    np.testing.assert_array_equal(image, again[0])
    np.testing.assert_array_equal(mask, again[1])
    assert image.shape == (64, 64, 3) and image.dtype == mask.dtype == np.uint8
    for other in ((1, 'train', 3), (0, 'val', 3), (0, 'train', 4)):
        assert (draw_shapes(*other, 64)[0] != image).any()


@pytest.fixture(scope='module')
def masks():
    return [draw_shapes(0, 'train', i, 64)[1] for i in range(150)]


def test_masks_have_what_the_labels_say(masks):
    count = np.zeros(len(CLASSES))
    together = []
    for mask in masks:
        ids = np.unique(mask)
        assert ids[0] == 0 and 1 <= len(ids) - 1 <= 2 and ids[-1] <= len(CLASSES)
        assert 0.03 < (mask > 0).mean() < 0.6
        count[ids[1:] - 1] += 1
        if len(ids) == 3:
            together.append(tuple(int(i) for i in ids[1:] - 1))
    assert count.min() > 10
    assert 0.25 < len(together) / len(masks) < 0.7
    partners = sum(PARTNER.get(a) == b for a, b in together)
    assert partners / len(together) > 0.5  # co-occurrence
    for a, b in PARTNER.items():
        assert BODY[a] != BODY[b]


def test_difficulty_makes_marks_small():
    """The textured head is where a thing has strong local contrast."""
    share = []
    for difficulty in (0., 1.):
        values = []
        for index in range(30):
            image, mask = draw_shapes(0, 'x', index, 96, difficulty)
            grey = cv2.cvtColor(image, cv2.COLOR_BGR2GRAY).astype(np.float32)
            edges = np.abs(cv2.Laplacian(cv2.GaussianBlur(grey, (3, 3), 0), cv2.CV_32F)) > 60
            inside = cv2.erode((mask > 0).astype(np.uint8), np.ones((5, 5))) > 0
            values.append(edges[inside].mean())
        share.append(np.mean(values))
    assert share[1] < share[0]


def test_written_once_and_read_back(tmp_path):
    config = dict(type='ShapesDataset', data_root=str(tmp_path / 'shapes'), num_images=5,
                  image_size=48, seed=2,
                  pipeline=[dict(type='LoadImage'), dict(type='LoadMask'),
                            dict(type='PackWSSSInputs')])
    dataset = DATASETS.build(config)
    assert len(dataset) == 5 and dataset.metainfo['classes'] == CLASSES
    for index in range(5):
        image, mask = draw_shapes(2, 'train', index, 48)
        item = dataset[index]
        sample = item['data_samples']['image']
        np.testing.assert_array_equal(sample.gt_sem_seg, mask)
        difference = item['inputs']['image'].permute(1, 2, 0).numpy().astype(float) - image
        assert np.abs(difference).mean() < 10  # JPEG
        labels = [i + 1 for i in np.flatnonzero(sample.gt_label)]
        assert labels == [i for i in np.unique(mask) if i]
    stamps = {p: p.stat().st_mtime_ns for p in (tmp_path / 'shapes').rglob('*') if p.is_file()}
    DATASETS.build(config)
    val = DATASETS.build({**config, 'split': 'val', 'num_images': 2})
    assert len(val) == 2
    for path, stamp in stamps.items():
        assert path.name == 'labels.json' or path.stat().st_mtime_ns == stamp
    subset = {**config, 'metainfo': dict(classes=('dots', 'waves')), 'drop_empty': True}
    assert DATASETS.build(subset).label_matrix().shape[1] == 2


def test_export_in_voc_layout(tmp_path):
    ShapesDataset.export(tmp_path, dict(train=3, val=2), image_size=32)
    names = (tmp_path / 'ImageSets/Segmentation/val.txt').read_text().split()
    assert names == ['val_00000', 'val_00001']
    labels = json.loads((tmp_path / 'labels.json').read_text())
    assert len(labels) == 5
    for name, classes in labels.items():
        mask = cv2.imread(str(tmp_path / 'JPEGImages' / f'{name}.jpg'))
        assert mask.shape == (32, 32, 3) and set(classes) <= set(CLASSES) and classes
        assert (tmp_path / 'SegmentationClassAug' / f'{name}.png').is_file()


def test_bad_arguments(tmp_path):
    root = str(tmp_path)
    ShapesDataset(root, num_images=1, image_size=32)
    with pytest.raises(ValueError, match='another data_root'):
        ShapesDataset(root, num_images=1, image_size=40)
    for change, word in ((dict(difficulty=2), 'difficulty'), (dict(image_size=8), 'image_size'),
                         (dict(num_images=0), 'num_images')):
        with pytest.raises(ValueError, match=word):
            ShapesDataset(root, **change)
