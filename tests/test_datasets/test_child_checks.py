"""A data set of one's own that gives something else is one clear line."""

import numpy as np
import pytest
import torch

from mmwsss.datasets import ImageLabelDataset

LABELS = dict(a=[0], b=[1, 2], c=[2], d=[0, 1], e=[1], f=[2])
HOT = {name: [int(c in classes) for c in range(3)] for name, classes in LABELS.items()}
TWO = {name: [0, 1] if name == 'b' else [1, 0] for name in LABELS}


def dataset_of(config, labels, **options):
    class Own(ImageLabelDataset):

        def read_labels(self, names):
            return labels

    return Own(**{**config, 'label_file': None, **options})


@pytest.fixture
def options(config):
    del config['type']
    return config


@pytest.mark.parametrize('kind', [
    np.array, torch.tensor, lambda row: torch.tensor(row, dtype=torch.bool)])
def test_multi_hot_arrays(options, kind):
    data = dataset_of(options, {name: kind(row) for name, row in HOT.items()})
    np.testing.assert_array_equal(data.label_matrix(), list(HOT.values()))


def test_lists_of_indices(options):
    np.testing.assert_array_equal(
        dataset_of(options, LABELS).label_matrix(), list(HOT.values()))
    both = dict(classes=('cat', 'dog'), all_classes=('cat', 'dog'))
    data = dataset_of(options, dict.fromkeys(LABELS, [0, 1]), metainfo=both)  # all have both
    assert data.label_matrix().min() == 1


@pytest.mark.parametrize('labels, message', [
    (HOT, 'Own.read_labels: the entry of "a" and the others look like a 0 or 1 for each class'),
    ({name: list(map(bool, row)) for name, row in HOT.items()}, 'look like a 0 or 1'),
    ({name: list(map(float, row)) for name, row in HOT.items()}, 'look like a 0 or 1'),
    (TWO, 'look like a 0 or 1'),
    (list(LABELS.items()), r'Own.read_labels must give a dict \{name: classes\}, not list'),
    ({name: torch.tensor([1, 0]) for name in LABELS}, 'must be 3 zeros and ones')])
def test_wrong_labels(options, labels, message):
    with pytest.raises(ValueError, match=message):
        dataset_of(options, labels)


def record_of(name, /, **changes):
    record = dict(name=name, img_path=f'img/{name}.jpg', labels=LABELS[name],
                  seg_map_path=f'seg/{name}.png')
    record.update(changes)
    return {key: value for key, value in record.items() if value is not None}


@pytest.mark.parametrize('changes, message', [
    (dict(), None),
    (dict(name=None), 'record 1 of Own.load_data_list needs "name"'),
    (dict(labels=None, gt_label=[1, 2]), 'needs "labels", of which "gt_label" is made; it has'),
    (dict(seg_map_path=None), 'needs "seg_map_path", since seg_dir is set'),
    (dict(labels=[0, 1, 1]), r'labels=\[0, 1, 1\] must be different indices'),
    (dict(labels=[3]), 'from 0 to 2'), (dict(labels=['cat']), 'must be different indices'),
    (dict(name='a'), 'has the name "a" of another one')])
def test_records(options, changes, message):
    class Own(ImageLabelDataset):

        def load_data_list(self):
            return [record_of('a'), record_of('b', **changes)]

    if message is None:
        assert Own(**options).label_matrix().tolist() == [[1, 0, 0], [0, 1, 1]]
        return
    with pytest.raises(ValueError, match=message):
        Own(**options)
    if 'labels' in changes and changes['labels'] is None:
        assert len(Own(**options, test_mode=True)) == 2
